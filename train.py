"""Train pix2pix: python train.py model=unet256 data=cityscapes data.root=...; see docs/training.md."""

from pix2pix_lit.train import main

if __name__ == "__main__":
    main()
