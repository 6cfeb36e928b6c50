"""Where a request comes from, as far as anybody can be believed who says so."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
_MOST_HOPS = 32
_PREFIX_OF_ONE = 64  # bits: whoever has one IPv6 address has that whole network


@dataclass(frozen=True)
class Origin:
    """Who counts as one for the limit on attempts to log in.

    Attributes:
        name: an IPv4 address, an IPv6 network of 64 bits, or `proxy`.
        shared: whether many people come from there: all that is known is the proxy they came through.
    """

    name: str
    shared: bool = False


THROUGH_A_PROXY = Origin("proxy", shared=True)


class Origins:
    """Finds the client of a request behind proxies.

    Every proxy adds the address that it was asked from to the right of `X-Forwarded-For`; what stands further left may
    be anything that the client made up. So the hops are read from the right, those of known proxies are passed over,
    and the first other one is the client. `Forwarded` (RFC 7239) is not read: who looks at two headers believes the one
    that the proxy does not set, and that the client may.

    Args:
        trusted: networks of the proxies that add to the header. None: the header is never looked at.
        behind_proxy: whether the peer is always a proxy of the service itself, one that adds nothing.
    """

    def __init__(self, trusted: Sequence[Network], *, behind_proxy: bool = False) -> None:
        self._trusted, self._behind_proxy = tuple(trusted), behind_proxy

    def of(self, peer: str | None, forwarded_for: Sequence[str] = ()) -> Origin:
        """Where a request comes from.

        Args:
            peer: the other end of the connection.
            forwarded_for: the values of `X-Forwarded-For`, one a header, in their order.
        """
        hops = [] if self._behind_proxy else [peer or ""]
        if self._trusted:
            hops = [*",".join(forwarded_for).split(","), *hops]
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = _address(hop.strip())
            if address is None:
                break  # further left nobody vouches for anything
            if not self._is_trusted(address):
                return Origin(_one(address))
        return THROUGH_A_PROXY

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def networks(text: str | None) -> tuple[Network, ...]:
    """The networks of a comma-separated list; a single address is a network of one.

    Raises:
        ValueError: A part is none; the message names it.
    """
    return tuple(ip_network(part.strip()) for part in (text or "").split(",") if part.strip())


def _address(text: str) -> Address | None:
    """An address as proxies write it: bare, `1.2.3.4:5678`, `[2001:db8::1]:5678`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _one(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, _PREFIX_OF_ONE), strict=False))
