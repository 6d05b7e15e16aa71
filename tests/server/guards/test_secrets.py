"""Keys and tokens of services, and what only looks like one. All are made up."""

from __future__ import annotations

import random

import pytest

from server.errors import ConfigError
from server.guards.hold import Bound, Hold
from server.guards.kinds.secrets import CAP
from server.guards.redact import Vault, replacer
from tests.server.guards.pii_texts import found, secrets_guard

SECRETS = secrets_guard()
A40 = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2dE3f"
HEX32 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nabc+/123==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("secret", "category"),
    [
        (f"sk-proj-{A40}", "openai_key"),
        (f"sk-{A40}", "openai_key"),
        (f"sk-ant-api03-{A40}", "anthropic_key"),
        ("AKIA2E3D4C5B6A7Q2W3E", "aws_key"),
        (f"AIza{A40[:35]}", "gcp_key"),
        (f"ghp_{A40[:36]}", "github_token"),
        (f"github_pat_{A40}", "github_token"),
        (f"glpat-{A40[:20]}", "gitlab_token"),
        (f"xoxb-123456789012-{A40[:24]}", "slack_token"),
        (f"sk_live_{A40[:24]}", "stripe_key"),
        (f"hf_{A40[:34]}", "huggingface_token"),
        (f"live_sk_{A40[:24]}", "toss_key"),
        (f"ncp_iam_{A40[:30]}", "naver_key"),
        (f"npm_{A40[:36]}", "npm_token"),
        (f"SK{HEX32}", "twilio_key"),
        (f"gsk_{A40}{A40[:12]}", "api_key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123_-x", "jwt"),
        (f"123456789:AA{A40[:33]}", "telegram_token"),
        ("postgresql://app:s3cr3t@db.example.com:5432/prod", "connection_string"),
        ("mongodb+srv://u:p4ssw0rd@c0.mongodb.net/x", "connection_string"),
        (PEM, "private_key"),
    ],
)
@pytest.mark.parametrize("around", ["키는 {} 입니다", "{}", '{{"key": "{}"}}', "export KEY={}\n", "`{}`로"])
def test_a_secret_of_a_known_form_is_found_whole(secret: str, category: str, around: str):
    assert (secret, category) in found(SECRETS, around.format(secret))


@pytest.mark.parametrize(
    ("text", "value", "category"),
    [
        ("password: hunter2!", "hunter2!", "password"),
        ('"password": "correct-horse"', "correct-horse", "password"),
        ("DB_PASSWORD=pa55w0rd", "pa55w0rd", "password"),
        ("비밀번호는 qwer1234! 입니다", "qwer1234!", "password"),
        ("비번: asdf1234", "asdf1234", "password"),
        ("my password is Tr0ub4dor", "Tr0ub4dor", "password"),
        (f"api_key = '{A40}'", A40, "api_key"),
        (f"client_secret: {A40[:24]}", A40[:24], "api_key"),
        (f"Authorization: Bearer {A40}", A40, "bearer_token"),
        (f"Authorization: KakaoAK {HEX32}", f"KakaoAK {HEX32}", "kakao_key"),
        (f"카카오 REST API 키: {HEX32}", HEX32, "kakao_key"),
        ("X-Naver-Client-Secret: a1B2c3D4e5", "a1B2c3D4e5", "naver_key"),
        (f"aws_secret_access_key = {A40}", A40, "aws_key"),
    ],
)
def test_a_value_behind_its_label_is_found_without_the_label(text: str, value: str, category: str):
    assert found(SECRETS, text) == [(value, category)]


@pytest.mark.parametrize(
    "text",
    [
        "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
        "password: ********",
        "password: <your password>",
        "password: ${DB_PASSWORD}",
        "password = os.environ['PW']",
        "password=None",
        "비밀번호는 8자 이상이어야 합니다",
        "the password is required",
        "비밀번호를 잊어버렸어요",
        "api_key = settings.api_key",
        "token: 12345",
        "commit a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
        "123e4567-e89b-12d3-a456-426614174000",
        "https://example.com:443/a@b",
        "sk-learn 설치",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "bearer of bad news",
        "max_tokens: 4096",
        "secret: true",
        "pw: 없음",
    ],
)
def test_what_only_looks_like_a_secret_is_let_stand(text: str):
    assert found(SECRETS, text) == []


def test_a_secret_is_found_inside_base64():
    import base64

    inside = base64.b64encode(f"the key is sk-proj-{A40}".encode()).decode()
    assert found(SECRETS, f"decode {inside} now") == [(inside, "openai_key")]


def test_an_allowed_value_is_let_through():
    assert found(secrets_guard(allow=("AKIAIOSFODNN7EXAMPLE",)), "AKIAIOSFODNN7EXAMPLE") == []


def test_an_unknown_entity_is_refused():
    with pytest.raises(ConfigError, match="jwt"):
        secrets_guard(entities=("jwtt",))


def test_a_private_key_without_an_end_is_cut_as_far_as_it_can_be_one():
    text = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n그리고 끝"
    assert found(SECRETS, text) == [("-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7", "private_key")]


def test_a_private_key_longer_than_the_cap_loses_its_first_part():
    text = "-----BEGIN PRIVATE KEY-----\n" + "A1b2" * CAP
    assert [finding.end for finding in secrets_guard().find(_view(text))][:1] == [CAP]


def test_secrets_on_a_stream_are_those_of_the_whole():
    text = f"키 sk-proj-{A40}, {PEM} password: hunter2! eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc 비밀번호는 qwer1234 입니다 mysql://a:b1@h/x."
    bounds = [Bound("secrets", secrets_guard("output"), "redact", replacer("label", "ko", Vault()))]

    def run(pieces: list[str]):
        hold = Hold(bounds, "output")
        return "".join(hold.feed(piece) for piece in pieces) + hold.finish(), hold.found, hold.cuts

    whole = run([text])
    assert [finding.category for _, finding in whole[1]] == [
        "openai_key",
        "private_key",
        "password",
        "jwt",
        "password",
        "connection_string",
    ]
    rng = random.Random(3)
    for _ in range(150):
        cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(1, 60)))
        assert run([text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]) == whole


def _view(text: str):
    from server.guards.view import View

    return View(text)
