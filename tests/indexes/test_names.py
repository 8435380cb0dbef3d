import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.names import Names, Person, normal_form

SAME = (
    ("Zo\u00eb Marchetti-\u00c5llund", "zoe marchetti allund"),
    ("MARCHETTI-\u00c5LLUND, ZO\u00cb", "zoe marchetti allund"),
    ("Tamara \u0141empicka", "tamara lempicka"),
    ("\u00d8rsted, S\u00f8ren", "soren orsted"),
    ("Hans Gro\u00df", "hans gross"),
    ("HANS GROSS", "hans gross"),
    ("\u00c6sa \u00deorsteinsd\u00f3ttir", "aesa thorsteinsdottir"),
    ("Zoe\u0308 Marchetti-A\u030allund", "zoe marchetti allund"),
    ("  Georgia   O'Keeffe ", "georgia okeeffe"),
    ("O\u2019Keeffe, Georgia", "georgia okeeffe"),
    ("Turner, J. M. W.", "jmw turner"),
    ("J.M.W. Turner", "jmw turner"),
    ("JMW Turner", "jmw turner"),
    ("Escher, M.C.", "mc escher"),
    ("Brueghel, Pieter, the Elder", "pieter brueghel the elder"),
    ("Pieter Brueghel, the Elder", "pieter brueghel the elder"),
    ("Smith, John, Jr.", "john smith jr"),
    ("John Smith, Jr.", "john smith jr"),
    ("Evans, Thomas M., Mrs.", "mrs thomas m evans"),
    ("Gogh, Vincent van", "vincent van gogh"),
    ("\u0130lhan Ko\u00e7", "ilhan koc"),
    ("D\u0131lek", "dilek"),
    ("\uff2b\uff4c\uff49\uff4d\uff54, Gustav", "gustav klimt"),
    ("\u0391\u03bd\u03c4\u03ce\u03bd\u03b7\u03c2", "\u03b1\u03bd\u03c4\u03c9\u03bd\u03b7\u03c3"),
    ("@night_owl", "night owl"),
)


@pytest.mark.parametrize(("written", "form"), SAME)
def test_normal_forms(written: str, form: str) -> None:
    assert normal_form(written) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u304b\u3068\u3046", "\u304c\u3068\u3046"),  # Japanese: the mark makes another syllable
        ("\u0915\u093f\u0930\u0923", "\u0915\u0930\u0923"),  # Hindi: the mark is a vowel
        ("Ivanov, A", "Ivanov, B"),
        ("Anna Ivanova", "Anna Ivanov"),
        ("\u2665\u2665", "\u2666\u2666"),
        ("M. Escher", "M.C. Escher"),
    ],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)
    assert normal_form(one)


@given(st.text(max_size=30))
def test_normal_form_is_stable(name: str) -> None:
    form = normal_form(name)
    assert normal_form(form) == form
    assert normal_form(f"  {name}\t") == form


@given(st.text(alphabet="abcdefgh", min_size=2, max_size=9), st.text("klmnop", min_size=2))
def test_order_does_not_matter(first: str, last: str) -> None:
    assert normal_form(f"{last}, {first}") == normal_form(f"{first} {last}")
    assert normal_form(f"{last.upper()},{first}") == normal_form(f"{first}  {last}")


def people(*names: str) -> Names:
    return Names([Person(name, name) for name in names])


def test_near_misses_are_never_answers() -> None:
    names = people("Vincent van Gogh", "Vincente van Goch", "Paul Gauguin")
    answer = names.find("Vincent van Gog")
    assert answer.people == ()
    assert [s.person.name for s in answer.suggestions] == ["Vincent van Gogh", "Vincente van Goch"]
    assert 0.5 <= answer.suggestions[1].likeness < answer.suggestions[0].likeness < 1
    assert names.find("Rembrandt") == ((), False, ())
    assert len(names.find("Vincent van Gog", most=1).suggestions) == 1


def test_who_is_found_is_not_suggested_again() -> None:
    names = Names([Person("1", "Vincent van Gogh"), Person("1", "Vincent von Gogh")])
    answer = names.find("Gogh, Vincent van")
    assert [p.person_id for p in answer.people] == ["1"]
    assert not answer.shared
    assert answer.suggestions == ()


def test_two_people_of_one_normal_form_are_both_returned_and_said() -> None:
    answer = people("Carl Sch\u00fctz", "Carl Schutz").find("SCHUTZ, Carl")
    assert [p.name for p in answer.people] == ["Carl Schutz", "Carl Sch\u00fctz"]
    assert answer.shared


def test_aliases_lead_to_one_person() -> None:
    names = Names(
        [Person("7", "Robert Indiana"), Person("7", "Robert Clark"), Person("8", "Robert Clark")]
    )
    assert [p.person_id for p in names.find("Indiana, Robert").people] == ["7"]
    both = names.find("robert clark")
    assert [p.person_id for p in both.people] == ["7", "8"]
    assert both.shared


@pytest.mark.parametrize("nothing", ["", "   ", ",", " , ,"])
def test_an_empty_name_is_nobody(nothing: str) -> None:
    assert people("", "A B").find(nothing).people == ()


def test_words_in_another_order_are_suggested() -> None:
    answer = people("Yayoi Kusama").find("Kusama Yayoi")
    assert answer.people == ()
    assert [s.person.name for s in answer.suggestions] == ["Yayoi Kusama"]
