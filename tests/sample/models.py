from django.db import models


class Effect(models.Model):
    """One time that something happened: count the rows of a key to know how often.

    The key is not unique on purpose, so that an effect that happened twice shows.
    """

    key = models.CharField(max_length=200, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key
