"""Letters of other scripts that look like Latin ones (the common part of Unicode's confusables, UTS #39)."""

from __future__ import annotations

_PAIRS = (
    ("аеорсухіјѕԁһӏոսԛԝ", "aeopcyxijsdhlnuqw"),  # Cyrillic, Armenian
    ("АВЕКМНОРСТХУІЈЅԌԚԜҮЗ", "ABEKMHOPCTXYIJSGQWY3"),
    ("οανρικτυγχω", "oavpiktuyxw"),  # Greek
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    ("ıɑɡɩʟɴʀʏᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢ", "iagilnryacdejkmoptuvwz"),
    ("ⅼ∣ǀ｜", "ll||"),
)
FOLDED = {one: other for ones, others in _PAIRS for one, other in zip(ones, others, strict=True)}
