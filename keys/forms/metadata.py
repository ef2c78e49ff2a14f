"""The field of a key's metadata."""

import json
from typing import Any

from django import forms
from rest_framework.serializers import ValidationError

from config.kernel.api.fields import Metadata
from config.kernel.api.parsers import strict_json

LONGEST_TEXT = 60_000


class MetadataField(forms.CharField):
    """A key's own names and values as JSON text. Takes what the REST interface takes, in the same bounds."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            max_length=LONGEST_TEXT,
            help_text="A JSON object of strings, numbers, true, false and null, told to whoever verifies the key.",
            widget=forms.Textarea(
                attrs={"rows": 7, "spellcheck": "false", "placeholder": '{"customer": "Globex", "seats": 25}'}
            ),
        )

    def clean(self, value: Any) -> dict[str, Any]:
        text = super().clean(value)
        if not text:
            return {}
        try:
            return Metadata().to_internal_value(strict_json(text))
        except json.JSONDecodeError as error:
            raise forms.ValidationError(
                f"This is no JSON: {error.msg} in line {error.lineno}, column {error.colno}."
            ) from error
        except ValidationError as error:
            raise forms.ValidationError([str(each) for each in error.detail]) from error
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"This cannot be kept: {error}") from error


def metadata_text(metadata: dict[str, Any]) -> str:
    """Metadata as the field shows them: one name a line, empty for none."""
    return json.dumps(metadata, ensure_ascii=False, indent=2, sort_keys=True) if metadata else ""
