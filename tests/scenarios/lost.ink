# A connection is lost in the middle of a stroke: what is drawn meanwhile comes with the return, once.
ada joins
bob joins
ada begins 0 at 0,0
ada adds 0 5,5
ada vanishes
ada adds 0 6,6
ada adds 0 7,7
ada ends 0
bob writes "meanwhile" at 0,0
ada returns
ada repeats 3
ada repeats 1
all settle
