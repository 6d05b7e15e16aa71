from quantize.nearest import did_you_mean, nearest


def test_the_nearest_name_is_found_across_dashes_and_case():
    assert nearest("BNB_nf4", ["bnb-int8", "bnb-nf4"]) == "bnb-nf4"


def test_nothing_is_suggested_where_nothing_is_near():
    assert nearest("zzz", ["gptq", "awq"]) is None


def test_all_names_are_told_where_none_is_near():
    assert did_you_mean("zzz", ["gptq", "awq"]) == "known: gptq, awq"
