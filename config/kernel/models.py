"""What the kernel itself keeps: tasks that were asked for and have not reached the broker yet."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class WaitingTask(models.Model):
    """A task that a committed change asked for. Gone as soon as the broker has it (config/kernel/tasks.py).

    It belongs to no organization, like the queue that it is on its way to; `headers` say whose scope it runs in.
    """

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100)
    arguments = ArrayField(models.TextField())
    headers = models.JSONField()
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "kernel_waiting_task"

    def __str__(self) -> str:
        return f"{self.name}, asked for {self.asked_at:%Y-%m-%d %H:%M:%S}"
