"""A page to look through translations in a browser."""

from pix2pix_lit.inference.gallery.page import Gallery
from pix2pix_lit.inference.gallery.pictures import files_of, pictures_of

__all__ = ["Gallery", "files_of", "pictures_of"]
