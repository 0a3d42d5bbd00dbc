"""What is wrong with this data, before training finds out: pix2pix-lit audit data=...

Every pair is read once, as training would read it, and compared with what it is declared to be and with the other
pairs of its set. The findings go to the terminal, to ``audit.json`` and, with pictures, to ``audit.html``; the exit
status is 0 if training may start, and 1 if there are errors. What is looked for, in ``findings.CHECKS``:

================  ========  ==============================================================================
check             severity  how it is found
================  ========  ==============================================================================
no pairs          error     the source cannot be built, or is empty
settings          error     a few training pairs cannot be resized, cropped or augmented as the settings say
unusable          error     the source raises ``UserError``: missing, truncated, of another type, ids out of
                            range, an odd width, ...
size mismatch     error     A and B differ in height or width
single photos     error     halves of files are no pairs: the picture goes on from one into the other, and their edges
                            have nothing in common
swapped sides     error     the side declared as labels is less flat than the other and, if it has a palette,
                            farther from it, in 90 % of the pairs
leak              error     A and B are equal to those of a pair of the other split, pixel by pixel
shared image      warning   A alone or B alone is equal to one of the other split
missing partner   warning   the source leaves the file out
left out          warning   an image of a format that is not read, a link to nothing, a folder that may not be looked
                            into, an image in a sub-folder where the layout does not look
duplicate         warning   A and B are equal to those of another pair of the split
repeated image    warning   A alone or B alone is equal to one of another pair of the split
constant          warning   an image is of a single colour, but for a margin of 1/16
value range       warning   less than a tenth of [-1, 1] is what networks see of a side, but for a pixel in 100
                            and an image in 50, or more than 1 % of its pixels are clipped
off the palette   warning   colours of labels: those of flat regions form clusters, of which some are farther
                            than 10 RGB units from the palette; or more than 1 % of the pixels, and four times
                            what is usual in the set, are farther than 40; or the usual is amiss
strange halves    warning   edges of the halves of files agree no better than those of different files
turned pair       warning   the differences between A and B are those of the other pairs with their signs turned
misregistered     warning   edges of A and B agree better once B is moved by more than 3 of 256 pixels, or no
                            better than in pairs that are mixed up
================  ========  ==============================================================================

The last two and swapped sides take 20 pairs at least to know what is usual, and are tuned to report nothing rather
than something false: of a set in which they cannot tell, they say so. Images of a single colour are not compared.
"""
