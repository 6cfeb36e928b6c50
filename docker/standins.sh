#!/usr/bin/env bash
# Make the bases of the image where no registry of images is reached: Python's from Debian's packages by debootstrap, uv's from
# its wheel. They get the names that the Dockerfile asks for, in the storage of buildah and podman. Run as root.
set -euo pipefail
cd "$(dirname "$0")"
uv=$(sed -n 's/^FROM \(\S*\) AS uv$/\1/p' Dockerfile)
python=$(sed -n 's/^FROM \(\S*\) AS build$/\1/p' Dockerfile)
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT

python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "uv==${uv##*:}"
python3 -m zipfile -e "$work"/uv-*.whl "$work/wheel"
tar --create --mode 755 --directory "$work"/wheel/uv-*.data/scripts uv | podman import --quiet - "$uv"

# Bookworm is the Debian whose own Python is 3.11.
debootstrap --variant=minbase --include=ca-certificates,python3.11,python3-distutils bookworm "$work/base"
for name in python python3 python3.11; do ln -s /usr/bin/python3.11 "$work/base/usr/local/bin/$name"; done
mkdir "$work/base/etc/uv"
echo 'native-tls = true' > "$work/base/etc/uv/uv.toml" # trust the certificates of the system, as apt and pip do
echo 'DPkg::Post-Invoke { "rm -rf /var/cache/apt/archives/*.deb /var/cache/apt/*.bin"; };' \
    > "$work/base/etc/apt/apt.conf.d/docker-clean" # as in every published image of Debian
rm -rf "$work"/base/var/lib/apt/lists/* "$work"/base/var/cache/apt/*.bin "$work"/base/var/cache/apt/archives/*.deb
tar --create --directory "$work/base" . | podman import --quiet - "docker.io/library/$python"
