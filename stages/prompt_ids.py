"""Prompt ids: what a model is asked, as a digest; stages that make or adopt images share it."""

import json
from hashlib import sha256


def prompt_id_of(
    *, text: str | None = None, class_label: int | None = None, context: str | None = None
) -> str:
    """Return the id of a prompt: sha256 of its canonical JSON.

    Args:
        text: caption given to the model, exactly as given; `None` for a class or nothing.
        class_label: class given to the model; `None` for a caption or nothing.
        context: other text that a language model was shown; `None` for none.

    Returns:
        64 hexadecimal digits. The same caption twice is one prompt; no caption and no class is the
        prompt of an unconditional model.

    >>> prompt_id_of(text="a cat") == prompt_id_of(text="a cat") != prompt_id_of(text="a cat ")
    True
    >>> prompt_id_of(text="3") in {prompt_id_of(class_label=3), prompt_id_of(context="3")}
    False
    """
    asked = {"text": text, "class_label": class_label, "context": context}
    given = {name: value for name, value in asked.items() if value is not None}
    return sha256(json.dumps(given, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
