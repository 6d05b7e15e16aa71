"""Sums, differences and products, and counting: answers that are computed, not remembered."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lessons.core import Language, Question, Word, choose
from lessons.wordings import HOW_MUCH, TELL


@dataclass(frozen=True)
class Skill:
    """Questions about numbers: `draw` makes the holes of the templates, the answer among them."""

    name: str
    language: Language
    taught: tuple[str, ...]
    held_out: tuple[str, ...]
    draw: Callable[[random.Random], dict[str, str]]
    weight: float
    held_out_count: int = 24

    def ask(self, template: str, rng: random.Random) -> Question:
        filled = {hole: Word(text) for hole, text in self.draw(rng).items()}
        return Question(choose(template, rng).format(**filled), filled["answer"], self.language, self.name)

    def taught_question(self, rng: random.Random) -> Question:
        """A question in one of the taught wordings."""
        return self.ask(rng.choice(self.taught), rng)

    def held_out_questions(self, rng: random.Random) -> list[Question]:
        """Random numbers, the held-out templates in turn."""
        return [self.ask(self.held_out[i % len(self.held_out)], rng) for i in range(self.held_out_count)]


def _numbers(rng: random.Random, sign: str, stop: str) -> dict[str, str]:
    top = 12 if sign == "×" else 99
    # Two digits mostly; one digit often enough to be known as well.
    a, b = (rng.randint(10 if rng.random() < 0.85 and sign != "×" else 0, top) for _ in range(2))
    if sign == "-" and a < b and rng.random() < 0.7:
        a, b = b, a
    result = a + b if sign == "+" else a - b if sign == "-" else a * b
    return {"a": str(a), "b": str(b), "answer": f"{a} {sign} {b} = {result}{stop}"}


def _draw(sign: str, language: Language) -> Callable[[random.Random], dict[str, str]]:
    return lambda rng: _numbers(rng, sign, "." if language == "en" else "입니다.")


def _count(language: Language, down: bool = False) -> Callable[[random.Random], dict[str, str]]:
    def draw(rng: random.Random) -> dict[str, str]:
        last = 100 if rng.random() < 0.02 else rng.choice((5, 10, 20, 30)) if rng.random() < 0.4 else rng.randint(3, 30)
        numbers = range(last, 0, -1) if down else range(1, last + 1)
        return {"n": str(last), "answer": ", ".join(map(str, numbers))}

    return draw


SKILLS = (
    Skill(
        "add",
        "en",
        (
            "[What is|What's|Calculate|Compute|Find|Tell me|Work out] {a} [+|plus] {b}?",
            "{a} [+|plus] {b}[?| =| = ?||, please]",
            "{a}+{b}[|=|=?|?]",
            "Add {a} and {b}.",
            "Add {b} to {a}.",
            "[What is|What's|Find|Tell me] the sum of {a} and {b}?",
            "[How much|What] is {a} [and|plus|+] {b}[| together]?",
            "[Can|Could] you [add|sum] {a} and {b}?",
            "What do you get when you add {a} and {b}?",
            "If I have {a} apples and get {b} more, how many do I have?",
            "{a} [+|plus] {b} [is|equals|makes] [what|how much]?",
            "The sum of {a} and {b}?",
            "Sum {a} and {b}.",
            "Do you know what {a} + {b} is?",
            "How much do {a} and {b} make[| together]?",
            "I need the sum of {a} and {b}.",
            "Please add {b} to {a} for me.",
            "What does {a} plus {b} make?",
            "Work out {a} + {b}, please.",
        ),
        (
            "How much do I get if I add {a} and {b} together?",
            "Please work out the sum {a} + {b} for me.",
            "I need to know what {a} plus {b} makes.",
        ),
        _draw("+", "en"),
        weight=5.0,
    ),
    Skill(
        "add",
        "ko",
        (
            "{a} [+|더하기] {b}[?|는?|은?|는 얼마야?|는 뭐야?| =|은 얼마예요?|는 몇이야?||는 얼마입니까?]",
            "{a}+{b}[|=|=?|?|는?|는 얼마야?]",
            "{a}에 {b}[를|을] 더하면 [얼마야|얼마예요|몇이야|뭐야|얼마입니까|몇이에요]?",
            "{a}[와|과|하고|랑] {b}의 합[은|은 얼마야|을 구해 줘|이 뭐야|은 얼마예요]?",
            "{a}[와|과|하고|랑] {b}[를|을] 더해[ 줘|줘| 주세요|봐].",
            "{a} 더하기 {b}[를|을] [계산해 줘|계산해 주세요|알려줘|구해 줘].",
            "[계산해 줘|계산|다음을 계산해 주세요]: {a} + {b}",
            "사과 {a}개에 {b}개를 더하면 몇 개[야|예요]?",
            "{a} + {b}[를|을] [계산해 줘|알려줘|계산하면].",
            f"{{a}}보다 {{b}}만큼 큰 수는 [{HOW_MUCH}]?",
            f"{{a}}[와|과|하고] {{b}}[를|을] [합치면|더하면|합하면] [{HOW_MUCH}]?",
            f"{{a}} + {{b}}[가|이] 얼마인지 [{TELL}].",
            f"{{a}} 더하기 {{b}}[가|이] [{TELL}].",
            "{a}, {b} 둘을 더해 [줘|줄래|주세요|줄래요].",
            f"{{a}} [+|더하기] {{b}}[는|은] [{HOW_MUCH}]?",
            f"{{a}} [+|더하기] {{b}}의 [값은|결과는] [{HOW_MUCH}]?",
        ),
        ("{a}하고 {b}, 둘을 더하면 얼마가 되나요?", "{a} 더하기 {b}의 답이 궁금해요.", "{a} + {b}가 몇인지 말해 줄래?"),
        _draw("+", "ko"),
        weight=5.0,
    ),
    Skill(
        "subtract",
        "en",
        (
            "[What is|What's|Calculate|Compute|Find|Tell me|Work out] {a} [-|minus] {b}?",
            "{a} [-|minus] {b}[?| =| = ?||, please]",
            "{a}-{b}[|=|=?|?]",
            "Subtract {b} from {a}.",
            "Take {b} away from {a}.",
            "[What is|What's|Find] the difference between {a} and {b}?",
            "[How much|What] is {a} [minus|less|-] {b}?",
            "[Can|Could] you subtract {b} from {a}?",
            "What do you get when you subtract {b} from {a}?",
            "If I have {a} apples and lose {b}, how many are left?",
            "{a} [-|minus] {b} [is|equals|makes] [what|how much]?",
            "What is left when you take {b} from {a}?",
            "Do you know what {a} - {b} is?",
            "How much is left of {a} after taking {b}?",
            "I need the difference of {a} and {b}.",
            "Please subtract {b} from {a} for me.",
            "What does {a} minus {b} make?",
            "Work out {a} - {b}, please.",
            "[Give me|Find|What is|Tell me] the difference {a} - {b}[|, please].",
            "[Please|] work out {a} [-|minus] {b}[|, please| now].",
        ),
        (
            "How much is left if I subtract {b} from {a}?",
            "Please work out the difference {a} - {b} for me.",
            "I need to know what {a} minus {b} makes.",
        ),
        _draw("-", "en"),
        weight=5.0,
    ),
    Skill(
        "subtract",
        "ko",
        (
            "{a} [-|빼기] {b}[?|는?|은?|는 얼마야?|는 뭐야?| =|은 얼마예요?|는 몇이야?||는 얼마입니까?]",
            "{a}-{b}[|=|=?|?|는?|는 얼마야?]",
            "{a}에서 {b}[를|을] 빼면 [얼마야|얼마예요|몇이야|뭐야|얼마입니까|몇이에요]?",
            "{a}[와|과|하고|랑] {b}의 차[는|는 얼마야|를 구해 줘|가 뭐야|는 얼마예요]?",
            "{a}에서 {b}[를|을] 빼[ 줘|줘| 주세요|봐].",
            "{a} 빼기 {b}[를|을] [계산해 줘|계산해 주세요|알려줘|구해 줘].",
            "[계산해 줘|계산|다음을 계산해 주세요]: {a} - {b}",
            "사과 {a}개에서 {b}개를 먹으면 몇 개 남[아|아요]?",
            "{a} - {b}[를|을] [계산해 줘|알려줘|계산하면].",
            f"{{a}}보다 {{b}}만큼 작은 수는 [{HOW_MUCH}]?",
            "{a}에서 {b}[를|을] 빼면 [얼마가|몇이] [남아|남죠|남나요|남을까요]?",
            f"{{a}} - {{b}}[가|이] 얼마인지 [{TELL}].",
            f"{{a}} 빼기 {{b}}[가|이] [{TELL}].",
            f"{{a}} [-|빼기] {{b}}[는|은] [{HOW_MUCH}]?",
            f"{{a}} [-|빼기] {{b}}의 [값은|결과는] [{HOW_MUCH}]?",
            f"{{a}}에서 {{b}}만큼 [덜어 내면|줄이면] [{HOW_MUCH}]?",
        ),
        ("{a}에서 {b}만큼 빼면 얼마가 남나요?", "{a} 빼기 {b}의 답이 궁금해요.", "{a} - {b}가 몇인지 말해 줄래?"),
        _draw("-", "ko"),
        weight=5.0,
    ),
    Skill(
        "multiply",
        "en",
        (
            "[What is|What's|Calculate|Compute|Find|Tell me|Work out] {a} [×|*|x|times] {b}?",
            "{a} [×|*|x|times] {b}[?| =| = ?||, please]",
            "{a}*{b}[|=|=?|?]",
            "Multiply {a} [by|and|with] {b}.",
            "[What is|What's|Find] the product of {a} and {b}?",
            "[How much|What] is {a} [times|multiplied by] {b}?",
            "[Can|Could] you multiply {a} by {b}?",
            "{a} [×|times] {b} [is|equals|makes] [what|how much]?",
            "Do you know what {a} times {b} is?",
            "How much do {a} and {b} make when multiplied?",
            "I need the product of {a} and {b}.",
            "What does {a} times {b} make?",
        ),
        ("How much do I get if I multiply {a} by {b}?", "I need to know what {a} times {b} makes."),
        _draw("×", "en"),
        weight=1.1,
    ),
    Skill(
        "multiply",
        "ko",
        (
            "{a} [×|*|x|곱하기] {b}[?|는?|은?|는 얼마야?|는 뭐야?| =|은 얼마예요?|는 몇이야?||는 얼마입니까?]",
            "{a}*{b}[|=|=?|?]",
            "{a}에 {b}[를|을] 곱하면 [얼마야|얼마예요|몇이야|뭐야|얼마입니까]?",
            "{a}[와|과|하고|랑] {b}의 곱[은|은 얼마야|을 구해 줘|이 뭐야]?",
            "{a} 곱하기 {b}[를|을] [계산해 줘|계산해 주세요|알려줘].",
            "[계산해 줘|계산]: {a} × {b}",
            "{a}[와|과|하고|랑] {b}[를|을] 곱해[ 줘|줘| 주세요|봐].",
            f"{{a}}[와|과|하고] {{b}}[를|을] 곱하면 [{HOW_MUCH}]?",
            f"{{a}} 곱하기 {{b}}[가|이] 얼마인지 [{TELL}].",
            "{a}, {b} 둘을 곱해 [줘|줄래|주세요|줄래요].",
            f"{{a}} [×|곱하기] {{b}}[는|은] [{HOW_MUCH}]?",
            f"{{a}} 곱하기 {{b}}의 [값은|결과는] [{HOW_MUCH}]?",
        ),
        ("{a} 곱하기 {b}의 답이 궁금해요.", "{a}하고 {b}, 둘을 곱하면 얼마가 되나요?"),
        _draw("×", "ko"),
        weight=1.1,
    ),
    Skill(
        "count",
        "en",
        (
            "Count [from 1|from one|] to {n}.",
            "[Can|Could] you count to {n}?",
            "[Write|List|Say|Give me] the numbers from 1 to {n}.",
            "[Please count|Count up] to {n}.",
            "1 to {n}",
            "Count: 1 to {n}",
            "Numbers [from 1 |]to {n}[, please|].",
            "[Show|Print|Type] [me|] [all|] the numbers [up to|until] {n}.",
            "[List|Give me] everything between 1 and {n}.",
            "I want to see you count to {n}.",
            "Would you [please|] count up to {n}?",
            "[I want|I would love|I need] you to count [up to|to|from 1 to|from one up to] {n}.",
            "[Print|Write|Give me|I need] [all|the|all the] numbers between [1|one] and {n}.",
            "[Would|Will] you count up from 1 to {n}?",
        ),
        ("I would like you to count up from 1 to {n}.", "Show all numbers between 1 and {n}."),
        _count("en"),
        weight=0.8,
        held_out_count=8,
    ),
    Skill(
        "count",
        "ko",
        (
            "1부터 {n}까지 세[ 줘|어 줘|어 주세요|어 봐|봐].",
            "{n}까지 세[ 줘|어 줘|어 주세요|어 봐|봐].",
            "1부터 {n}까지[| 숫자| 숫자를 말해 줘| 써 줘| 나열해 줘| 말해 주세요| 적어 줘]",
            "1에서 {n}까지 [세어 줘|말해 줘|숫자를 써 줘|세어 주세요].",
            "숫자를 {n}까지 [세어 줘|세 줘|세어 주세요].",
            "{n}까지 숫자를 [세어 볼래|세어 줄래|세어 줄래요|세어 주실래요]?",
            "1부터 {n}까지 [하나씩|차례로|천천히] [세어 줘|세어 봐|세어 줄래|말해 줄래요|세어 주세요].",
            "[하나씩|차례로|천천히|숫자를] 1[에서|부터] {n}까지 [세어 줘|세 봐|말해 볼래|불러 줘|세어 줄래|써 볼래].",
            "1[에서|부터] {n}까지 [수를|숫자를] [불러 줘|세어 주실래요|말해 볼래|써 주실래요|세어 볼까]?",
            "{n}까지 [하나씩|차례로|숫자를] [세어 볼래|세어 주실래요|말해 볼래]?",
        ),
        ("1부터 {n}까지 숫자를 세어 볼래?", "하나씩 1부터 {n}까지 세어 주실래요?"),
        _count("ko"),
        weight=0.8,
        held_out_count=8,
    ),
    Skill(
        "count_down",
        "en",
        (
            "Count [down|backwards] from {n}[| to 1].",
            "[Can|Could] you count [down|backwards] from {n}?",
            "[Start a|Do a|] countdown from {n}[|, please].",
            "[Write|List|Say] the numbers from {n} [down to|to] 1.",
            "I want you to count [down|backwards] from {n}.",
            "Would you count [down|backwards] from {n} to 1?",
        ),
        ("I would like you to count backwards from {n} down to 1.",),
        _count("en", down=True),
        weight=0.5,
        held_out_count=5,
    ),
    Skill(
        "count_down",
        "ko",
        (
            "{n}부터 거꾸로 세[ 줘|어 줘|어 주세요|어 봐].",
            "{n}부터 1까지 [거꾸로|] 세[ 줘|어 줘|어 주세요|어 봐].",
            "{n}부터 [카운트다운|역순으로 세어 줘|카운트다운 해 줘].",
            "{n}에서 1까지 거꾸로 [말해 줘|세어 줘|세어 주세요].",
            "{n}부터 [하나씩|1까지 하나씩|차례로] 거꾸로 [세어 줄래|세어 볼래|세어 주실래요|세어 줄래요]?",
            "숫자를 {n}부터 거꾸로 [세어 줘|세어 주세요|세어 줄래|말해 줘].",
        ),
        ("숫자를 {n}부터 1까지 거꾸로 세어 볼래?",),
        _count("ko", down=True),
        weight=0.5,
        held_out_count=5,
    ),
)


def drill(rng: random.Random) -> list[dict[str, Any]]:
    """A page of sums, of which only the results are learnt: eight times the practice of a question a token."""
    page: list[dict[str, Any]] = []
    for _ in range(rng.randint(6, 20)):
        sign, stop = rng.choice("++++----×"), rng.choice((".", "입니다."))
        question, result = _numbers(rng, sign, stop)["answer"].split("=")
        page.append({"role": "text", "content": question + "=", "learn": False})
        page.append({"role": "text", "content": result})
        page.append({"role": "text", "content": " ", "learn": False})
    return page[:-1]
