"""Personal data, by rule: what `kind: pii` finds.

runs.py       numbers however they are separated; korean.py, phones.py, numbers.py say what they are
tokens.py     tokens of letters and digits: e-mail, IP, IBAN, passports, what other states give out
address.py    Korean and American addresses
names.py      names behind a label or before a title; off by default
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from server.errors import ConfigError
from server.guards.finders import Finder, Finders, Token, Tokens
from server.guards.kinds.encoded import Encoded
from server.guards.kinds.pii import address, korean, names, numbers, phones, tokens
from server.guards.kinds.pii.runs import Numbers, Recogniser
from server.nearest import did_you_mean

if TYPE_CHECKING:
    from server.guards.base import Detector, Side, Tools
    from server.guardsettings import Pii

ENTITIES: Mapping[str, bool] = {  # every category -> whether it is looked for where `entities` is empty
    "resident_number": True,
    "foreigner_number": True,
    "phone": True,
    "business_number": True,
    "drivers_license": True,
    "passport": True,
    "bank_account": True,
    "card": True,
    "address": True,
    "email": True,
    "ip": True,
    "iban": True,
    "vehicle_plate": True,
    "customs_code": True,
    "crypto": True,
    "us_ssn": True,
    "uk_nino": True,
    "uk_nhs": True,
    "cn_id": True,
    "jp_my_number": True,
    "sg_nric": True,
    "in_aadhaar": True,
    "in_pan": True,
    "ca_sin": True,
    "au_tfn": True,
    "br_cpf": True,
    "es_nif": True,
    "it_fiscal_code": True,
    "pl_pesel": True,
    "name": False,
    "birth_date": False,
    "corporate_number": False,
    "mac": False,
}

_NUMBERS: Sequence[tuple[Recogniser, Collection[int]]] = (  # with how many digits each has
    (korean.resident, (13, 15)),
    (korean.corporate, (13,)),
    (phones.phone, range(8, 17)),
    (numbers.card, range(14, 20)),
    (korean.business, (10,)),
    (korean.licence, (10, 12)),
    (korean.account, range(10, 17)),
    (numbers.us_ssn, (9,)),
    (numbers.passport, (9,)),
    (numbers.ca_sin, (9,)),
    (numbers.au_tfn, (9,)),
    (numbers.uk_nhs, (10,)),
    (numbers.br_cpf, (11,)),
    (numbers.pl_pesel, (11,)),
    (numbers.jp_my_number, (12,)),
    (numbers.in_aadhaar, (12,)),
    (numbers.cn_id, (17, 18)),
    (numbers.birth_date, (8,)),
)
_OF_NUMBERS = frozenset(ENTITIES) - {"address", "email", "ip", "iban", "vehicle_plate", "customs_code", "crypto", "mac", "name"}


def make(settings: Pii, side: Side, tools: Tools) -> Detector:
    """Raises ConfigError for an entity that is none."""
    wanted = chosen(settings.entities, ENTITIES)
    plain = _tokens((*tokens.ON_PLAIN, *address.ON_PLAIN, *names.ON_PLAIN), wanted)
    digits = [*_tokens(tokens.ON_DIGITS, wanted), *([Numbers(_NUMBERS)] if wanted & _OF_NUMBERS else [])]
    found = Finders(plain, digits, wanted, settings.allow)
    looks_inside = settings.encoded == "both" or (settings.encoded == "input" and side == "input")
    return Encoded(found, side) if looks_inside else found


def chosen(asked: Sequence[str], entities: Mapping[str, bool]) -> frozenset[str]:
    """The categories that a guard looks for. Raises ConfigError."""
    for name in asked:
        if name not in entities:
            raise ConfigError(f"entities: '{name}' is none: {did_you_mean(name, entities)}")
    return frozenset(asked) if asked else frozenset(name for name, default in entities.items() if default)


def _tokens(every: Sequence[Token], wanted: frozenset[str]) -> list[Finder]:
    kept = [token for token in every if token.category in wanted]
    return [Tokens(kept, tokens.LONGEST)] if kept else []
