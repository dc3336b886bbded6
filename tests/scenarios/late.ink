# Somebody comes late, in the middle of a stroke, and goes on with everybody.
ada joins
ada begins 0 at 0,0
ada adds 0 5,5 5,5
bob joins
ada adds 0 5,5
ada ends 0
bob moves ada.1 by 80,0
all settle
