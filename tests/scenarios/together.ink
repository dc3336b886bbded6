# Two people draw at the same time, and see the same.
ada joins
bob joins
ada begins 0 at 10,10
bob begins 0 at 500,500 pressed 128
ada adds 0 20,7 21,8 22,9
bob adds 0 -5,-5,10 -6,-6,-20
all settle
ada ends 0
bob ends 0
ada writes "hello, <b>Bob</b>" at 0,0
bob boxes 100,100 by 400,-200
all settle
