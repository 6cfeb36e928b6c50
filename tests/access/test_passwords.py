from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from axiom.access.passwords import LONGEST, Passwords, check_password
from axiom.errors import CorruptError, MisuseError

GOOD = "correct horse battery staple"


def test_the_right_password_is_verified_and_no_other(passwords: Passwords) -> None:
    stored = passwords.hash(GOOD)
    assert passwords.verify(stored, GOOD)
    for wrong in ("", GOOD + " ", GOOD.upper(), GOOD[:-1], "\0", "x" * 10_000_000):
        assert not passwords.verify(stored, wrong)


def test_what_is_stored_is_argon2id_with_a_salt_of_its_own() -> None:
    ours = Passwords()
    one, other = ours.hash(GOOD), ours.hash(GOOD)
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert one != other
    assert GOOD not in one


def test_nobody_is_verified_by_no_password_not_even_by_the_stand_in(passwords: Passwords) -> None:
    assert not passwords.verify(None, GOOD)
    assert not passwords.verify(None, "nobody has this password")


def test_the_same_letters_from_another_keyboard_are_the_same_password(passwords: Passwords) -> None:
    assert passwords.verify(passwords.hash("caf\u00e9 au lait, bitte"), "cafe\u0301 au lait, bitte")


def test_a_hash_with_other_costs_still_verifies_and_is_known_to_be_dated(passwords: Passwords) -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    stored = passwords.hash(GOOD)
    assert dearer.verify(stored, GOOD)
    assert dearer.is_dated(stored)
    assert not passwords.is_dated(stored)


def test_a_stored_text_that_is_no_hash_is_corrupt(passwords: Passwords) -> None:
    with pytest.raises(CorruptError, match="no argon2 hash"):
        passwords.verify("plain text", GOOD)


@pytest.mark.parametrize(
    ("password", "line"),
    [
        ("", "0 characters"),
        ("elevenchars", "11 characters"),
        ("x" * (LONGEST + 1), f"{LONGEST + 1} characters"),
        ("aaaaaaaaaaaa", "too few characters"),
        ("abababababababab", "too few characters"),
        ("password1234", "common word"),
        ("Password!2026", "common word"),
        ("123456123456", "common word"),
        ("qwertyqwerty12", "common word"),
        ("ann.smith2026", "common word"),
        ("ANN.SMITHann.smith", "common word"),
    ],
)
def test_what_is_guessed_first_is_refused_and_not_repeated(password: str, line: str) -> None:
    with pytest.raises(MisuseError, match=line) as refused:
        check_password(password, names=["ann.smith"])
    assert not password or password not in str(refused.value)


@pytest.mark.parametrize("password", [GOOD, "x8#Kq2!vLz0p", "my password is a whole sentence", "пароль из шести слов"])
def test_a_good_password_is_taken(password: str) -> None:
    check_password(password, names=["ann"])
