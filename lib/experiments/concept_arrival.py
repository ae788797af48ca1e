"""Does it arrive? A diffusion model's way to an unseen composition, to the end.

The runs of `concept_learning` stop at 3,000 steps, while the held-out error has risen and hardly
fallen again. These go on to 20,000. What was written down before the first of them:

**Arrives** (`concept.arrives`). Rivals: the model *approaches, turns back and arrives*; it turns
back *for good*, drawn to what it was trained on; the rise is *a jump of training*, as those of
trained compositions are. A run arrives if its largest rise exceeds 1 % of the error's start, three
times its jitter and `AHEAD` times the largest rise of any training composition in the same run, the
mean error of its last fifth lies below the minimum before that rise, and both concepts are there
beyond `LEARNED`. Were the held-out composition like the others, it would exceed the worst of three
controls in one run of four. The gate: at the end each training composition's error is below `GATE`.
Holds if the interval of the share of signals .3 to .7, a number a seed, lies above one half.

**Lost, or mis-addressed?** (`concept.lost`). At the peak of the rise the model either can't draw
(blue, small) any more, or draws it when asked for something else. A scan of what is asked, beyond
the training range too: the error of the nearest place that any request obtains, the request chosen
by one half of the pictures and the place read off the other. Its rise from the minimum to the peak
over the rise at the honest request: 1 if lost, 0 if mis-addressed. Below one half: mis-addressed.

**At which noise level** does blue turn purple? The denoisers of minimum and peak draw one picture
together, one above a level, the other below. No rule: a description.

**Why does only colour retreat?** (`concept.corner`). Either a wrong colour of a *small* disc costs
few pixels, so that the prior over colours, red, wins there; then with (blue, big) held out instead,
where the colour covers a big disc, colour does not retreat. Or colour is the concept that retreats
in this network, whatever is held out; then it retreats there too. Or what is rarer retreats: then
with as many blue as red discs (a half of them blue and big) it is no longer colour. Share of runs
in which colour goes back during the largest rise.

**Interaction** (`concept.interaction`). f(11) - f(10) - f(01) + f(00) of the places is zero for
every linear map. The part of colour's retreat that is its change: 0 if the ways of the single
concepts retreat, 1 if their interaction does. Above one half: the interaction.

**Told in words** (`concept.text`). The same world, a sentence in place of four numbers, read by a
small transformer that is trained along. The rule of a swing that controls do not meet, as above.
"""
