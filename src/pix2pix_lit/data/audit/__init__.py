"""Find problems of a data set before training: pix2pix-lit audit data=...

Every pair is read once, as in training, and compared with its declared type and with the other pairs of the data set.
The findings go to the terminal, to ``audit.json`` and, with pictures, to ``audit.html``; the exit status is 0 if
training may start, and 1 if there are errors. The checks of ``findings.CHECKS``:

================  ========  ==============================================================================
check             severity  criterion
================  ========  ==============================================================================
no pairs          error     the source cannot be built, or is empty
settings          error     a few training pairs cannot be resized, cropped or augmented as configured
unusable          error     the source raises ``UserError``: missing, truncated, of another type, ids out of
                            range, an odd width, ...
size mismatch     error     A and B differ in height or width
single photos     error     halves of files are not pairs: the image continues from one into the other, and their edges
                            have nothing in common
swapped sides     error     the side declared as labels is less flat than the other and, if it has a palette,
                            farther from it, in 90 % of the pairs
leak              error     A and B are equal to those of a pair of the other split, pixel by pixel
shared image      warning   only A or only B is equal to one of the other split
missing partner   warning   the source skips the file
left out          warning   an image of an unsupported format, a broken link, an unreadable folder, an image in a
                            sub-folder that the layout does not include
duplicate         warning   A and B are equal to those of another pair of the split
repeated image    warning   only A or only B is equal to one of another pair of the split
constant          warning   an image has a single colour, apart from a margin of 1/16
value range       warning   a side uses less than a tenth of [-1, 1], ignoring 1 % of the pixels and 2 % of the
                            images, or more than 1 % of its pixels are clipped
off the palette   warning   colours of labels: those of flat regions form clusters, some of which are farther
                            than 10 RGB units from the palette; or more than 1 % of the pixels, and four times
                            the usual share, are farther than 40; or the usual share is too high
strange halves    warning   edges of the halves of files agree no better than those of different files
turned pair       warning   A and B are exchanged: their differences have the opposite signs of the other pairs'
misregistered     warning   edges of A and B agree better with B moved by more than 3 of 256 pixels, or no better
                            than those of images of different pairs
================  ========  ==============================================================================

The last two and swapped sides need at least 20 pairs, and are tuned to avoid false alarms: they are reported as not
checked if they cannot decide. Images of a single colour are not compared.
"""
