from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.platform.conftest import Client

WHY = {"reason": "it is better"}


def test_models_are_listed_with_their_versions_and_cards(company: Client) -> None:
    names = {line["name"]: line for line in company.get("/api/models").json()["items"]}
    assert (names["churn"]["versions"], names["churn"]["latest"], names["clv"]["kind"]) == (2, 2, "clv")
    versions = company.get("/api/models/churn?sort=version").json()
    assert [(one["version"], one["model_type"]) for one in versions["items"]] == [(1, "logistic"), (2, "lightgbm")]
    shown = company.get("/api/models/churn/versions/latest").json()
    assert shown["metrics"]["auc"]["low"] <= shown["metrics"]["auc"]["value"] <= shown["metrics"]["auc"]["high"]
    assert shown["card"]["name"] == "churn"
    assert company.get("/api/models/nothing").status_code == 404
    assert company.get("/api/models/churn/versions/9").status_code == 404
    lineage = company.get("/api/models/churn/versions/2/lineage").json()
    assert lineage["root"] == "model:churn@2"
    assert lineage["batches"]


def test_an_artefact_comes_whole_with_its_checksum(company: Client) -> None:
    reply = company.get("/api/models/churn/versions/1/artefact")
    sha256 = company.get("/api/models/churn/versions/1").json()["artefact_sha256"]
    assert hashlib.sha256(reply.content).hexdigest() == sha256
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    assert (reply.headers["repr-digest"], reply.headers["etag"]) == (f"sha-256=:{digest}:", f'"{sha256}"')
    files = company.get("/api/models/churn/versions/1/files").json()["items"]
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert sorted(archive.namelist()) == [file["name"] for file in files]
        for file in files:
            one = company.get(f"/api/models/churn/versions/1/files/{file['name']}")
            assert one.content == archive.read(file["name"])


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2F..%2Faxiom.db", "../../../axiom.db", "%2Fetc%2Fpasswd", "....//x.json", "x" * 257, "nothing.json"],
)
def test_a_path_that_leads_out_of_an_artefact_leads_nowhere(company: Client, name: str) -> None:
    assert company.get(f"/api/models/churn/versions/1/files/{name}").status_code in (404, 422)


def test_a_damaged_artefact_is_refused_before_its_first_byte(own: Client) -> None:
    ws = own.services.workspace
    ws.lake.storage.write(ws.registry.get("churn", 1).artefact_path, b"something else")
    reply = own.get("/api/models/churn/versions/1/artefact")
    assert (reply.status_code, reply.json()["type"]) == (500, "/problems/corrupt")
    ws.lake.storage.delete(ws.registry.get("churn", 1).artefact_path)
    assert own.get("/api/models/churn/versions/1/artefact").status_code == 500


def test_versions_are_promoted_tried_and_rolled_back_and_the_trail_knows(own: Client) -> None:
    move = "/api/models/churn/versions/1/stage"
    assert own.post(move, {"stage": "champion", **WHY}).json()["stage"] == "champion"
    assert own.post(move, {"stage": "champion", **WHY}).status_code == 409
    assert own.post(move, {"stage": "king", **WHY}).status_code == 422
    assert own.post(move, {"stage": "archived", "reason": "  "}).status_code == 422
    seen = own.get("/api/models/churn/rollout").headers["etag"]
    trial = {"stage": "canary", "share": 0.2, "rule": "outcome; min 500", **WHY}
    started = own.post("/api/models/churn/versions/2/trial", trial, headers={"if-match": seen})
    assert (started.status_code, started.json()["canary"], started.json()["canary_share"]) == (200, 2, 0.2)
    assert started.json()["trials"][0]["rule"].startswith("outcome")
    share = {"share": 0.5, **WHY}
    url = "/api/models/churn/rollout/share"
    assert own("PUT", url, json=share).status_code == 428
    assert own("PUT", url, json=share, headers={"if-match": seen}).status_code == 412
    now = started.headers["etag"]
    assert own("PUT", url, json=share, headers={"if-match": now}).json()["canary_share"] == 0.5
    assert own("PUT", url, json={"share": 1.5, **WHY}, headers={"if-match": "*"}).status_code == 422
    rule = {"rule": None, **WHY}
    ruled = own("PUT", "/api/models/churn/versions/2/rule", json=rule, headers={"if-match": "*"})
    assert ruled.json()["trials"][0]["rule"] is None
    assert own.post("/api/models/churn/versions/2/stop", WHY).json()["canary"] is None
    assert own.post("/api/models/churn/rollback", WHY).status_code == 409
    assert own.post("/api/models/churn/versions/2/stage", {"stage": "champion", **WHY}).status_code == 200
    assert own.post("/api/models/churn/rollback", WHY).json()["version"] == 1
    history = own.get("/api/models/churn/history?limit=500").json()["items"]
    assert {event["actor"] for event in history} == {"axiom", "the-administrator"}
    actions = [entry["action"] for entry in own.audit() if entry["actor"] == "the-administrator"]
    assert {"model.promote", "model.displace", "model.rollback", "model.rollout"} <= set(actions)
    assert own.get("/api/audit/verify").status_code == 200


def test_a_version_whose_files_do_not_load_is_not_tried(own: Client) -> None:
    own.post("/api/models/churn/versions/1/stage", {"stage": "champion", **WHY})
    ws = own.services.workspace
    ws.lake.storage.write(ws.registry.get("churn", 2).artefact_path, b"something else")
    assert own.post("/api/models/churn/versions/2/trial", {"stage": "shadow", **WHY}).status_code == 500
    assert own.get("/api/models/churn/rollout").json()["shadows"] == []
