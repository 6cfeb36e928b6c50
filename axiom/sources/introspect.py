"""What the columns of a source seem to be: types, keys, personal facts, and a few values to look at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from axiom.sources.request import SourceColumn
from axiom.sources.values import one_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.sources.incoming import Incoming

_LOOK = 200
_SHOWN = 3
_KEY_ROWS = 20
_PII_NAMES = {
    "email": re.compile(r"e?mail"),
    "phone": re.compile(r"phone|mobile|telefon|fax|msisdn"),
    "name": re.compile(r"^(first|last|full|sur|given|family|maiden|user|customer)?name$"),
    "address": re.compile(r"street|address|postcode|postalcode|zipcode|^zip$"),
    "birth date": re.compile(r"birth|^dob$"),
    "national id": re.compile(r"^ssn$|socialsecurity|passport|taxid|nationalid|iban"),
    "payment card": re.compile(r"cardnumber|creditcard|^pan$|cvv"),
    "ip address": re.compile(r"^ip$|ipaddress|ipaddr"),
    "location": re.compile(r"^(lat|latitude|lon|lng|longitude)$"),
}
_PII_VALUES = {
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}"),
    "ip address": re.compile(r"\d{1,3}(\.\d{1,3}){3}"),
    "phone": re.compile(r"\+\d[\d ()/-]{7,}"),
    "payment card": re.compile(r"\d{4}([ -])\d{4}\1\d{4}\1\d{4}"),
}


def plain_name(name: str) -> str:
    """A column's name for comparing: lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def describe(incoming: Incoming) -> tuple[SourceColumn, ...]:
    """Look at every column of an open source. Values that seem personal are masked in the sample."""
    sample = incoming.sample()
    return tuple(_describe_one(incoming, field, one_array(sample[field.name])) for field in incoming.schema)


def looks_like_key(values: pa.Array) -> bool:
    """Whether no value is missing or comes twice, in a sample large enough to tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if len(values) < _KEY_ROWS or values.null_count or pa.types.is_nested(values.type):
        return False
    return bool(len(pc.unique(values)) == len(values))


def pii_guess(name: str, texts: Sequence[str]) -> str:
    """The kind of personal fact that a column seems to hold, by its values and then by its name; "" when none."""
    present = [text for text in texts if text]
    for kind, pattern in _PII_VALUES.items():
        if present and sum(1 for text in present if pattern.fullmatch(text.strip())) > len(present) / 2:
            return kind
    plain = plain_name(name)
    return next((kind for kind, pattern in _PII_NAMES.items() if pattern.search(plain)), "")


def _describe_one(incoming: Incoming, field: pa.Field, values: pa.Array) -> SourceColumn:
    texts = [str(value) for value in values.slice(0, _LOOK).to_pylist() if value is not None]
    pii = pii_guess(field.name, texts)
    shown = list(dict.fromkeys(texts))[:_SHOWN]
    return SourceColumn(
        name=field.name,
        type="text" if incoming.is_text else str(field.type),
        nullable=values.null_count > 0 if incoming.is_text else field.nullable,
        key=field.name in incoming.keys or (not incoming.keys and looks_like_key(values)),
        pii=pii,
        sample=tuple(f"{text[:1]}***" if pii else text for text in shown),
    )
