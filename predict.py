"""Translate images: python predict.py ckpt=FILE input=FILE|FOLDER|PATTERN output=FOLDER; see docs/predict.md."""

from pix2pix_lit.predict import main

if __name__ == "__main__":
    main()
