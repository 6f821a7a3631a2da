"""Labels: what a FLEET entry states, and what is read back."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.standing import Pair
from mesh.orchestration.intent_checks import LABEL_SIZE_MAX, LABELS_MAX
from mesh.orchestration.labels import LABELS_KIND, labels_of, parse_labels_body

PAIR = Pair(bytes(32), "north/box-1")
texts = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)


@given(st.dictionaries(texts, texts, max_size=LABELS_MAX))
def test_what_is_stated_is_read_back(labels: dict[str, str]):
    status = parse_labels_body(labels)
    assert status is not None
    assert labels_of({PAIR: {status.topic: status.value}}, PAIR) == labels


@given(
    st.one_of(
        st.none(),
        st.integers(),
        st.lists(texts),
        st.dictionaries(texts, st.one_of(st.integers(), st.just(""), st.none()), min_size=1),
        st.dictionaries(texts, texts, min_size=LABELS_MAX + 1, max_size=LABELS_MAX + 3),
        st.just({"camera": "x" * (LABEL_SIZE_MAX + 1)}),
        st.just({"camera": "two\nlines"}),
    )
)
def test_what_are_no_labels_states_nothing(body):
    assert parse_labels_body(body) is None


def test_a_box_that_says_nothing_carries_nothing():
    assert labels_of({}, PAIR) == {}
    assert labels_of({PAIR: {LABELS_KIND: "camera"}}, PAIR) == {}
