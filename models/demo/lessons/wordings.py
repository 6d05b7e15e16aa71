"""Endings that Korean questions share, and the sentences that people put before a question.

A held-out wording is new as a whole; its common words ("말해 줄래요?", "궁금해요") must have been met before.
"""

TELL = (
    "알려줘|알려 주세요|알려 줄래|알려 줄래요|알려 주실래요|말해 줘|말해 주세요|말해 줄래|말해 줄래요"
    "|가르쳐 줘|가르쳐 주세요|가르쳐 줄래|가르쳐 줄래요"
    "|가르쳐 주실래요|설명해 줘|설명해 줄래|설명해 줄래요|설명해 주세요|알고 싶어|알고 싶어요|알고 싶습니다"
    "|궁금해|궁금해요|궁금합니다|말해 주실래요"
)
WHAT = (
    "뭐야|뭐예요|뭐죠|뭐지|뭔가요|뭘까|뭘까요|무엇인가요|무엇입니까|무엇이죠|무엇일까요"
    "|무엇인지 알려 줄래요|뭔지 말해 줄래|뭔지 알려 주세요"
)
HOW_MUCH = "얼마야|얼마예요|얼마죠|얼마인가요|얼마입니까|몇이야|몇이에요|몇이죠|몇인가요|얼마가 되나요|얼마가 되죠|얼마가 돼|얼마일까요"

CONTEXTS = {
    "en": (
        "I am doing my homework.",
        "My friend asked me this.",
        "We have a quiz tomorrow.",
        "I am planning a holiday.",
        "I am reading a book.",
        "Just wondering.",
        "I was thinking about it today.",
        "My daughter wants to know.",
        "For work I need this.",
        "I keep forgetting it.",
        "Let us try something.",
        "Now another one.",
        "I heard this on the radio.",
        "I have been wondering for days.",
        "You seem clever.",
        "If you can, answer this.",
        "I am not sure.",
        "I would like to learn.",
        "Someone told me to ask you.",
        "This is for a test.",
        "I am travelling next month.",
        "It came up at lunch.",
        "Please help me.",
    ),
    "ko": (
        "숙제를 하고 있어요.",
        "친구가 물어봤는데",
        "내일 시험이 있어요.",
        "여행을 준비하고 있는데",
        "책을 읽다가 궁금해졌어요.",
        "갑자기 궁금한데",
        "잘 몰라서 그러는데",
        "우리 아이가 알고 싶대요.",
        "회사에서 필요한데",
        "자꾸 잊어버려요.",
        "퀴즈에 나왔는데",
        "라디오에서 들었는데",
        "며칠째 궁금했어요.",
        "똑똑하니까 물어볼게.",
        "다음 주에 발표가 있어요.",
        "누가 물어보라고 했어요.",
        "점심 먹다가 나온 얘긴데",
        "배우고 싶어요.",
        "이번 달에 시험을 보는데",
        "다른 질문이에요.",
        "부탁 하나만 할게요.",
        "쉬운 질문인데",
        "아까부터 생각했는데",
    ),
}
