"""Files in the storage: archives that people download, and whole folders that go."""

import structlog
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import FileResponse

from config.kernel.errors import Absent

logger = structlog.get_logger()


def opened(path: str) -> File:
    """A file of the storage that a row names. Raises Absent when it is lost, which the log says."""
    try:
        return default_storage.open(path)
    except FileNotFoundError:
        logger.exception("a stored file is lost", path=path)
        raise Absent from None


def as_download(file: File, name: str) -> FileResponse:
    """Streams an archive, which no cache keeps. Open it before: when the server streams, the tenant scope has ended."""
    return FileResponse(
        file, as_attachment=True, filename=name, content_type="application/zip", headers={"Cache-Control": "no-store"}
    )


def delete_folder(folder: str) -> None:
    """Deletes everything below a folder of the storage, and the folder. Doing so twice is no error."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in folders:
        delete_folder(f"{folder}/{name}")
    for name in files:
        default_storage.delete(f"{folder}/{name}")
    default_storage.delete(folder)
