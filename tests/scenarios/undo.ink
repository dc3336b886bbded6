# Undo takes back one's own gesture as a whole and nobody else's.
ada joins
bob joins
ada writes "a" at 0,0
ada writes "b" at 0,100
bob writes "c" at 0,200
ada erases ada.1
ada erases ada.2 bob.1 in 3
all settle
bob undoes 3
ada undoes 3
all settle
ada redoes 3
bob writes "d" at 0,300
ada undoes 3
ada writes "e" at 0,400
ada redoes 3
bob clears
all settle
bob undoes 4
all settle
