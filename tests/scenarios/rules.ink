# What breaks a rule is rejected, and the connection stays.
ada joins
bob joins
ada adds 0 1,1
ada begins 0 at 0,0
ada begins 0 at 0,0
ada adds 0 1,1,1
bob ends 0
bob moves ada.99 by 1,1
bob undoes 2
ada cancels 0
ada ends 0
ada writes "still here" at 0,0
bob is slow 500
ada writes "and here" at 0,50
all settle
