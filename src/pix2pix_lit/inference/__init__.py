"""Translating images with a trained generator."""

from pix2pix_lit.inference.translator import Translator

__all__ = ["Translator"]
