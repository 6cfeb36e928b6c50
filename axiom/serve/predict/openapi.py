"""The OpenAPI 3.1 document of online scoring, written by hand because the hot path has no framework to derive it from.

A test asks a running service for every route and checks that its answers have the shapes given here.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

from axiom import __version__
from axiom.serve.predict.asked import MAX_BODY, MAX_CUSTOMERS, MAX_ID

PREFIX = "/api/predict"
_CUSTOMER = "C000001"
_ABOUT: dict[str, Any] = {
    "customer_id": {"type": ["string", "null"], "description": "Null for posted features or history."},
    "horizon_days": {"type": "number", "description": "What the prediction is about, in days."},
    "model": {"type": "string", "description": "name@version that answered."},
    "role": {"type": "string", "enum": ["champion", "canary"]},
    "as_of": {
        "type": "string",
        "format": "date-time",
        "description": "Cut-off of the features: nothing later is in them.",
    },
    "cached": {"type": "boolean", "description": "Whether the features came from the replica's memory."},
}
_INTERVAL = {
    "type": ["object", "null"],
    "properties": {name: {"type": "number"} for name in ("p05", "p50", "p95")},
    "required": ["p05", "p50", "p95"],
}
SCHEMAS: dict[str, Any] = {
    "ChurnPrediction": {
        "type": "object",
        "properties": {
            "p_churn": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "Calibrated P(churn in the horizon).",
            },
            "p_churn_raw": {"type": "number", "minimum": 0, "maximum": 1, "description": "Before calibration."},
            "interval": _INTERVAL
            | {"description": "Churn rate on the holdout at this probability; null where the model has no band."},
            "threshold": {"type": "number", "description": "Contact from this probability on."},
            "contact": {"type": "boolean"},
            **_ABOUT,
        },
        "required": ["p_churn", "p_churn_raw", "interval", "threshold", "contact", *_ABOUT],
    },
    "ClvPrediction": {
        "type": "object",
        "properties": {
            "clv": {
                "type": ["number", "null"],
                "description": "Expected spend in the horizon, in the lake's currency.",
            },
            "interval": _INTERVAL | {"description": "Predictive quantiles of the spend; null where nothing is known."},
            "expected_purchases": {"type": ["number", "null"]},
            "p_alive": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "note": {"type": "string", "description": "Why there are no numbers."},
            **_ABOUT,
        },
        "required": ["clv", "interval", "expected_purchases", "p_alive", *_ABOUT],
    },
    "Request": {
        "type": "object",
        "description": "Exactly one of customer_id, customer_ids, features and history.",
        "properties": {
            "customer_id": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
            "customer_ids": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
                "minItems": 1,
                "maxItems": MAX_CUSTOMERS,
            },
            "features": {
                "type": "object",
                "description": "Every feature that the model reads, by name; null for a missing value.",
                "additionalProperties": {"type": ["number", "string", "null"]},
                "minProperties": 1,
            },
            "history": {
                "type": "object",
                "description": "The customer's own rows: lists called transactions, events and customers.",
                "additionalProperties": {"type": "array", "items": {"type": "object"}},
                "minProperties": 1,
            },
            "as_of": {"type": "string", "format": "date-time", "description": "Cut-off of history; default: now."},
        },
        "additionalProperties": False,
    },
    "Explanation": {
        "allOf": [{"$ref": "#/components/schemas/ChurnPrediction"}],
        "type": "object",
        "properties": {
            "base": {"type": "number", "description": "What the model says on average."},
            "scale": {"type": "string", "enum": ["log-odds", "probability", "log-hazard"]},
            "contributions": {"type": "array", "items": {"type": "object"}, "description": "Exact Shapley values."},
            "reasons": {"type": "array", "items": {"type": "object"}, "description": "What raises the risk most."},
            "actions": {"type": "array", "items": {"type": "string"}},
            "note": {"type": "string", "description": "Why there are no contributions."},
            "clv": {"$ref": "#/components/schemas/ClvPrediction"},
        },
        "required": ["contributions", "reasons", "actions"],
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457. `hint` names the way out.",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "hint": {"type": "string"},
        },
        "required": ["type", "title", "status", "detail"],
    },
}
PROBLEMS = {
    "400": "The body is not a JSON object.",
    "401": "No API key or access token, or one that is unknown, revoked or expired.",
    "403": "The key lacks the scope, or the role may not.",
    "404": "The customer has no published features.",
    "405": "The method is not allowed here.",
    "413": f"More than {MAX_BODY:,} bytes or {MAX_CUSTOMERS:,} customers.",
    "422": "A key or value is wrong; `detail` names it.",
    "429": "The caller asks too often, or the replica is overloaded; Retry-After says how long to wait.",
    "500": "A stored model is damaged, or a bug; the process goes on.",
    "503": "No model or no features yet, or the online store does not answer.",
}


def document() -> dict[str, Any]:
    """The document as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Axiom online scoring",
            "version": __version__,
            "description": "Churn probabilities and customer lifetime values with intervals, by customer id, features "
            "or by history. Send an API key or access token as `Authorization: Bearer` or `X-API-Key`.",
        },
        "servers": [{"url": PREFIX}],
        "security": [{"bearer": []}, {"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def page() -> str:
    """The document as one self-contained HTML page."""
    found = document()
    parts = [f"<h1>{html.escape(found['info']['title'])}</h1><p>{_prose(found['info']['description'])}</p>"]
    for path, methods in found["paths"].items():
        for method, told in methods.items():
            parts.append(_operation(path, method, told))
    parts.append("<h2>Problems</h2><table>")
    parts += [f"<tr><td><code>{code}</code></td><td>{html.escape(text)}</td></tr>" for code, text in PROBLEMS.items()]
    parts.append("</table><h2>Schemas</h2>")
    for name, schema in SCHEMAS.items():
        parts.append(f"<h3 id='{name}'>{name}</h3><pre>{html.escape(json.dumps(schema, indent=1))}</pre>")
    return _PAGE.replace("BODY", "".join(parts))


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _operation(path: str, method: str, told: dict[str, Any]) -> str:
    examples = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
    shown = (
        "".join(
            f"<p>{html.escape(name)}</p><pre>{html.escape(_curl(path, method, one['value']))}</pre>"
            for name, one in examples.items()
        )
        or f"<pre>{html.escape(_curl(path, method, None))}</pre>"
    )
    reply = told["responses"]["200"].get("content", {}).get("application/json", {}).get("example")
    answer = f"<p>answers</p><pre>{html.escape(json.dumps(reply, indent=1))}</pre>" if reply else ""
    return (
        f"<h2><span class='{method}'>{method.upper()}</span> {PREFIX}{html.escape(path)}</h2>"
        f"<p>{html.escape(told['summary'])}</p>{shown}{answer}"
    )


def _curl(path: str, method: str, body: Any) -> str:
    url = f"localhost:8000{PREFIX}{path.replace('{customer_id}', _CUSTOMER)}"
    key = "-H 'Authorization: Bearer axk_…'"
    if body is not None:
        return f"curl {url} {key} -d '{json.dumps(body)}'"
    query = f"?customer_id={_CUSTOMER}" if path in ("/churn", "/clv") else ""
    return f"curl '{url}{query}' {key}" + ("" if method == "get" else f" -X {method.upper()}")


def _about(model: str) -> dict[str, Any]:
    return {
        "customer_id": _CUSTOMER,
        "horizon_days": 90,
        "model": model,
        "role": "champion",
        "as_of": "2011-09-10T00:00:00+00:00",
        "cached": True,
    }


_CHURN = {
    "p_churn": 0.63,
    "p_churn_raw": 0.58,
    "interval": {"p05": 0.57, "p50": 0.62, "p95": 0.67},
    "threshold": 0.35,
    "contact": True,
    **_about("churn@2"),
}
_CLV = {
    "clv": 318.2,
    "interval": {"p05": 0.0, "p50": 251.4, "p95": 903.7},
    "expected_purchases": 1.9,
    "p_alive": 0.84,
    **_about("clv@1"),
}


def _paths() -> dict[str, Any]:
    return {
        "/churn": _predict("churn", "ChurnPrediction", _CHURN),
        "/clv": _predict("clv", "ClvPrediction", _CLV),
        "/explain/{customer_id}": {
            "get": _get(
                "Why a customer's probability of churn is what it is: exact contributions, reasons, actions.",
                {"$ref": "#/components/schemas/Explanation"},
                [_PATH_ID],
            )
        },
        "/history/{customer_id}": {
            "get": _get(
                "Recorded predictions of a customer, newest first; only a sample is recorded.",
                {"type": "object", "required": ["customer_id", "sampled", "predictions"]},
                [
                    _PATH_ID,
                    {"name": "days", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 366}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000}},
                ],
            )
        },
        "/health": {"get": _health()},
        "/metrics": {"get": _open("Metrics of this replica in Prometheus text.", None, "text/plain")},
        "/openapi.json": {"get": _open("This document.", {"type": "object"})},
        "/docs": {"get": _open("This document as a page.", None, "text/html")},
    }


_PATH_ID = {
    "name": "customer_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_ID},
}


def _predict(kind: str, schema: str, example: dict[str, Any]) -> dict[str, Any]:
    ref = {"$ref": f"#/components/schemas/{schema}"}
    many = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": ref},
            "not_found": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["predictions", "not_found"],
    }
    what = "Probability of churn" if kind == "churn" else "Lifetime value with its interval"
    history = {"transactions": [{"transaction_id": "T1", "txn_ts": "2011-08-30T09:12:00Z", "amount": 35.0}]}
    examples = {
        "one customer": {"value": {"customer_id": _CUSTOMER}},
        "several": {"value": {"customer_ids": [_CUSTOMER, "C000002"]}},
        "a history": {"value": {"history": history, "as_of": "2011-09-10T00:00:00Z"}},
    }
    query = {"name": "customer_id", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {
        "get": _get(f"{what} of one customer.", ref, [query], example),
        "post": {
            "summary": f"{what} of one customer, of several, or of posted features or history.",
            "operationId": f"{kind}_post",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Request"}, "examples": examples}
                },
            },
            "responses": _responses({"oneOf": [ref, many]}, example),
        },
    }


def _get(
    summary: str, schema: dict[str, Any], parameters: list[dict[str, Any]], example: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"summary": summary, "parameters": parameters, "responses": _responses(schema, example)}


def _open(summary: str, schema: dict[str, Any] | None, media_type: str = "application/json") -> dict[str, Any]:
    reply = {"description": "OK", "content": {media_type: {"schema": schema or {"type": "string"}}}}
    return {"summary": summary, "security": [], "responses": {"200": reply}}


def _health() -> dict[str, Any]:
    found = _open("Every component; 503 where the replica cannot answer.", {"type": "object"})
    found["responses"]["503"] = {**found["responses"]["200"], "description": "The replica cannot answer."}
    return found


def _responses(schema: dict[str, Any], example: dict[str, Any] | None) -> dict[str, Any]:
    content = {"schema": schema} | ({"example": example} if example else {})
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[str, Any] = {"200": {"description": "OK", "content": {"application/json": content}}}
    return found | {code: {"description": text, "content": problem} for code, text in PROBLEMS.items()}


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Axiom online scoring</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
pre{background:#f4f6f8;padding:.8rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:6px}h2{margin-top:2.2rem;font-size:1.15rem}
td{padding:.2rem .8rem .2rem 0;vertical-align:top}.get,.post{font-size:.8rem;padding:.15rem .5rem;border-radius:4px;
color:#fff;background:#0b6e4f}.post{background:#1f5fbf}</style><body>BODY</body></html>"""
