"""The studies of one set each, and what the page over all of them calls the sets."""

SETS = {
    "study_eit": "EIT",
    "study_edft": "EDFT, six labels",
    "study_edft_thirteen": "EDFT, thirteen labels",
    "study_goemotions": "GoEmotions, Ekman",
    "study_chnsenticorp": "ChnSentiCorp",
}
