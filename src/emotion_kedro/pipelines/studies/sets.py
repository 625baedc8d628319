"""The studies of one set each, and what the page over all of them calls the sets."""

SETS = {
    "study_eit": "EIT",
    "study_edft": "EDFT, six labels",
    "study_edft_thirteen": "EDFT, thirteen labels",
    "study_goemotions": "GoEmotions, Ekman",
    "study_chnsenticorp": "ChnSentiCorp",
}

ORIGINS = {"EDFT, six labels": "EDFT", "EDFT, thirteen labels": "EDFT"}
"""What the sets are called -> where their texts are from, for those that share texts."""

CHOSEN_ON = {
    "EIT": (
        "The requests to the generators, their guidance and what added text weighs were chosen on 1,500 rows of EIT; "
        "about one in fourteen of its test rows is among them."
    )
}
"""What the sets are called -> what was chosen on them beforehand."""
