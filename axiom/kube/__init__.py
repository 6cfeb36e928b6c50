"""Kubernetes: manifests, their validation, the cluster they go to. The only room that imports `kubernetes`.

`templates` makes documents of the files in `kube/`, `validate` judges them offline, `cluster` talks to an API server,
`deploy` applies, compares, rolls back and deletes, `health` and `waiting` say when what was applied is up.
"""
