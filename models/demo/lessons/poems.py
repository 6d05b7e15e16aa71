"""The poems that the model knows by heart; they are long enough to watch a stream."""

from lessons.core import Language, Topic

# Poems: names of the subject, the poem.
POEMS: tuple[tuple[Language, tuple[str, ...], str], ...] = (
    (
        "en",
        ("the sea", "the ocean", "waves"),
        (
            "The sea is wide, the sea is blue,\n"
            "It keeps the morning fresh and new.\n"
            "It hums a song upon the sand,\n"
            "And lays its silver in my hand.\n"
            "The gulls draw circles in the air,\n"
            "The wind runs fingers through my hair,\n"
            "And when the evening sun is low,\n"
            "The waves still whisper as they go."
        ),
    ),
    (
        "en",
        ("a small machine", "a computer", "machines"),
        (
            "Two little cores began to hum,\n"
            "And words like drops of rain would come.\n"
            "No cloud above, no roaring hall,\n"
            "A small machine can hold them all.\n"
            "It counts, it greets, it names a town,\n"
            "It writes a line and sets it down,\n"
            "And though its world is very small,\n"
            "It answers gladly when you call."
        ),
    ),
    (
        "ko",
        ("별", "밤하늘"),
        (
            "밤하늘 가득 별이 뜨면\n"
            "나는 조용히 창을 엽니다.\n"
            "멀리서 온 작은 빛들이\n"
            "내 마음에 내려앉습니다.\n"
            "바람은 나무를 지나가고\n"
            "별은 말없이 반짝입니다.\n"
            "오늘 하루도 고마웠다고\n"
            "나는 별에게 인사합니다."
        ),
    ),
    (
        "ko",
        ("봄", "봄날"),
        (
            "겨울이 지나간 들판 위에\n"
            "봄이 살며시 찾아옵니다.\n"
            "노란 꽃이 먼저 웃고\n"
            "강물은 노래를 시작합니다.\n"
            "아이들은 골목을 달리고\n"
            "햇살은 어깨에 앉습니다.\n"
            "잊었던 꿈 하나 꺼내어\n"
            "나도 봄처럼 피어납니다."
        ),
    ),
)

TOPICS = (
    Topic(
        "poem",
        "en",
        "{answer}",
        (
            "[Write|Recite|Tell|Give|Read|Say] [me|us] a poem about {x}.",
            "[Write|Recite] a [short poem|poem|verse] about {x}.",
            "A poem about {x}[|, please]",
            "[Can|Could] you write a poem about {x}?",
            "I [want|would like|need] a poem about {x}.",
            "Poem: {x}",
            "Make a poem on {x}.",
            "Do you know a poem about {x}?",
            "Compose a poem about {x}.",
        ),
        ("Please let me hear your poem about {x}.", "Could you recite some verses about {x} for me?"),
        tuple({"x": names, "answer": text} for language, names, text in POEMS if language == "en"),
        weight=0.5,
    ),
    Topic(
        "poem",
        "ko",
        "{answer}",
        (
            "{x}에 [대한|관한] 시[를|] [써줘|써 줘|써 주세요|들려줘|들려주세요|읊어 줘|지어 줘|지어 주세요|하나 써줘].",
            "{x}에 대해 시[를|] [써줘|써 주세요|지어 줘|들려줘].",
            "{x:을} 주제로 시[를|] [써줘|써 주세요|지어 줘|하나 써줘].",
            "{x}[ 시| 시 한 편|에 대한 시] [써줘|써 주세요|부탁해|부탁해요|들려줘].",
            "시 [써줘|지어 줘]: {x}",
            "{x}에 대한 시를 [아니|아세요|알아]?",
            "{x}에 [대한|관한] 시[를|] [듣고 싶어|읽고 싶어요|들려줄래|써 줄래요|들려주실래요|한 편 써 줄래].",
            "{x:이} 주제인 시[를|] [들려줄래요|써 줄래|써 주세요|듣고 싶어요].",
        ),
        ("{x:이} 나오는 시를 한 편 들려줄래요?", "{x}에 관한 시를 듣고 싶어요."),
        tuple({"x": names, "answer": text} for language, names, text in POEMS if language == "ko"),
        weight=0.5,
    ),
    Topic(
        "poem",
        "en",
        "{answer}",
        (
            "[Write|Recite|Tell|Give|Read|Say] [me|us] a poem.",
            "[Write|Recite] a [short poem|poem|verse].",
            "[A poem|Poem][|, please]",
            "[Can|Could] you [write|recite] a poem?",
            "[Do you know|Know] [a poem|any poems]?",
            "I [want|would like|need] a poem.",
        ),
        ("Please let me hear a poem of yours.",),
        ({"answer": POEMS[0][2]},),
        weight=0.25,
    ),
    Topic(
        "poem",
        "ko",
        "{answer}",
        (
            "시[를|] [써줘|써 줘|써 주세요|들려줘|들려주세요|읊어 줘|지어 줘|지어 주세요|하나 써줘].",
            "시 [한 편|하나] [써줘|써 주세요|부탁해|부탁해요|들려줘|지어 줘].",
            "[아는 시|시] [있어|있어요|알아|아세요]?",
        ),
        ("시를 한 편 듣고 싶어요.",),
        ({"answer": POEMS[2][2]},),
        weight=0.25,
    ),
)
