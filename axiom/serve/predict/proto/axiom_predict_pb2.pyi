from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PredictRequest(_message.Message):
    __slots__ = ("customer_id", "features", "history")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    features: Features
    history: History
    def __init__(self, customer_id: _Optional[str] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., history: _Optional[_Union[History, _Mapping]] = ...) -> None: ...

class BatchRequest(_message.Message):
    __slots__ = ("customer_ids",)
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, customer_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("customer_id",)
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    def __init__(self, customer_id: _Optional[str] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.MessageMap[str, Value]
    def __init__(self, values: _Optional[_Mapping[str, Value]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("number", "text")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    number: float
    text: str
    def __init__(self, number: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class History(_message.Message):
    __slots__ = ("json", "as_of")
    JSON_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    json: str
    as_of: str
    def __init__(self, json: _Optional[str] = ..., as_of: _Optional[str] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("p05", "p50", "p95")
    P05_FIELD_NUMBER: _ClassVar[int]
    P50_FIELD_NUMBER: _ClassVar[int]
    P95_FIELD_NUMBER: _ClassVar[int]
    p05: float
    p50: float
    p95: float
    def __init__(self, p05: _Optional[float] = ..., p50: _Optional[float] = ..., p95: _Optional[float] = ...) -> None: ...

class About(_message.Message):
    __slots__ = ("customer_id", "horizon_days", "model", "role", "as_of", "cached")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    HORIZON_DAYS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    horizon_days: float
    model: str
    role: str
    as_of: str
    cached: bool
    def __init__(self, customer_id: _Optional[str] = ..., horizon_days: _Optional[float] = ..., model: _Optional[str] = ..., role: _Optional[str] = ..., as_of: _Optional[str] = ..., cached: _Optional[bool] = ...) -> None: ...

class ChurnReply(_message.Message):
    __slots__ = ("p_churn", "p_churn_raw", "interval", "threshold", "contact", "about")
    P_CHURN_FIELD_NUMBER: _ClassVar[int]
    P_CHURN_RAW_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    p_churn: float
    p_churn_raw: float
    interval: Interval
    threshold: float
    contact: bool
    about: About
    def __init__(self, p_churn: _Optional[float] = ..., p_churn_raw: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ..., threshold: _Optional[float] = ..., contact: _Optional[bool] = ..., about: _Optional[_Union[About, _Mapping]] = ...) -> None: ...

class ClvReply(_message.Message):
    __slots__ = ("clv", "interval", "expected_purchases", "p_alive", "note", "about")
    CLV_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_PURCHASES_FIELD_NUMBER: _ClassVar[int]
    P_ALIVE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    clv: float
    interval: Interval
    expected_purchases: float
    p_alive: float
    note: str
    about: About
    def __init__(self, clv: _Optional[float] = ..., interval: _Optional[_Union[Interval, _Mapping]] = ..., expected_purchases: _Optional[float] = ..., p_alive: _Optional[float] = ..., note: _Optional[str] = ..., about: _Optional[_Union[About, _Mapping]] = ...) -> None: ...

class ChurnBatchReply(_message.Message):
    __slots__ = ("predictions", "not_found")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[ChurnReply]
    not_found: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, predictions: _Optional[_Iterable[_Union[ChurnReply, _Mapping]]] = ..., not_found: _Optional[_Iterable[str]] = ...) -> None: ...

class ClvBatchReply(_message.Message):
    __slots__ = ("predictions", "not_found")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    NOT_FOUND_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[ClvReply]
    not_found: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, predictions: _Optional[_Iterable[_Union[ClvReply, _Mapping]]] = ..., not_found: _Optional[_Iterable[str]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("feature", "value", "contribution")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    feature: str
    value: Value
    contribution: float
    def __init__(self, feature: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ..., contribution: _Optional[float] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("feature", "value", "contribution", "driver", "action")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    DRIVER_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    feature: str
    value: Value
    contribution: float
    driver: str
    action: str
    def __init__(self, feature: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ..., contribution: _Optional[float] = ..., driver: _Optional[str] = ..., action: _Optional[str] = ...) -> None: ...

class ExplainReply(_message.Message):
    __slots__ = ("churn", "clv", "base", "scale", "contributions", "reasons", "actions", "note")
    CHURN_FIELD_NUMBER: _ClassVar[int]
    CLV_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    churn: ChurnReply
    clv: ClvReply
    base: float
    scale: str
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    actions: _containers.RepeatedScalarFieldContainer[str]
    note: str
    def __init__(self, churn: _Optional[_Union[ChurnReply, _Mapping]] = ..., clv: _Optional[_Union[ClvReply, _Mapping]] = ..., base: _Optional[float] = ..., scale: _Optional[str] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ..., actions: _Optional[_Iterable[str]] = ..., note: _Optional[str] = ...) -> None: ...
