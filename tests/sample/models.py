from django.db import models


class Effect(models.Model):
    """One time that something happened: count the rows of a key to know how often.

    The key is not unique on purpose, so that an effect that happened twice shows.
    """

    key = models.CharField(max_length=200, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.key


class Account(models.Model):
    """A balance that is the sum of its entries, if each of them happened once."""

    name = models.CharField(max_length=100, primary_key=True)
    balance = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.balance}"


class Entry(models.Model):
    """What a transactional activity has booked. Not unique on purpose: what happened twice shows."""

    account = models.CharField(max_length=100)
    amount = models.BigIntegerField()
    run_id = models.UUIDField(db_index=True)
    activity_id = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"{self.amount} to {self.account}"
