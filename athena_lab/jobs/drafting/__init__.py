"""A draft of a promotion, made as the user: a file, the cells that are promoted, and what they need beside them."""

from athena_lab.jobs.drafting.draft import Document, DraftRequest, Reader, collect
from athena_lab.jobs.drafting.folder import lock, upload_of

__all__ = ["Document", "DraftRequest", "Reader", "collect", "lock", "upload_of"]
