"""Prose in English."""

from __future__ import annotations

PARAGRAPHS = (
    "The bakery on the corner opens at six, but the lights go on at three. By then the dough has rested all night in long wooden boxes,"
    " and the room smells of yeast and warm stone. The baker works without a clock. She presses a thumb into each loaf and knows from the"
    " way it comes back whether the oven may have it. Most people who buy bread there have never seen her, because she has gone home to"
    " sleep when they arrive.",
    "A lighthouse is a simple machine with a serious duty. A lamp turns, a lens gathers the light, and a ship many miles away learns where"
    " the rocks are. Sailors could tell one tower from the next by counting the seconds between two flashes. Today most of them run"
    " without a keeper, and a small computer reports when a bulb has failed. Still, on a foggy night, a captain likes to see the beam"
    " with his own eyes.",
    "When a river is straightened, water reaches the sea faster, and so does the soil it carries. Engineers once thought this a good"
    " thing. Farmers got dry fields, and barges saved a day. Then the floods came to the towns below, higher than anyone remembered."
    " Some of those rivers are now given back their bends. The meadows beside them are wet again in spring, and storks have returned to"
    " nest on the chimneys.",
    "Before you change a program, make it fail on purpose. Write down what you expect, run it, and look at what really happens. A test"
    " that has never been red proves little. Change one thing at a time, and keep the steps small enough to take back. When you no longer"
    " understand why it works, stop and read the code from the top, as if a stranger had written it. Often the stranger was you, two"
    " years ago.",
    "My grandmother kept every letter she ever received in a tin that had once held tea. After her death we read them aloud at the"
    " kitchen table, one evening a week. There were birth notices, recipes, quarrels about a fence, and a long apology from a man none of"
    " us had heard of. We learned more about her in that winter than in all the years before. The last letter in the tin was unopened,"
    " and we have left it so.",
    "The market hall has been repaired so often that nobody can say which beam is the oldest. Fish is sold on the left, where the floor"
    " slopes to the drain, and fruit on the right, where the sun comes in. At noon the traders eat together behind the cheese stand. They"
    " argue about football, prices, and the new road. By two o'clock the hoses are out, and by three only the pigeons are left to count"
    " the crumbs.",
    "Glass is made from sand, ash and lime, and from a great deal of heat. The old workshops stood in forests, because a furnace ate more"
    " wood than a village. A glassmaker had less than a minute to give the soft lump its shape before it grew stiff. Bubbles and streaks"
    " were signs of haste. Now they are signs of age, and people pay extra for a window that makes the street outside tremble a little.",
    "Bees do not vote, yet a swarm decides where to live. Scouts fly out and look at hollow trees, walls and empty boxes. Each comes back"
    " and dances, longer for a good place and shorter for a poor one. Others go and see for themselves. Little by little the dances agree,"
    " and when enough scouts have met at one hole the whole swarm takes off. Nobody was in charge, and the choice is usually a sound one.",
    "The night train leaves from the far platform at ten past eleven. In the first hour people talk, unpack sandwiches, and look for the"
    " switch of the reading lamp. Later there is only the rhythm of the wheels and a door that will not stay shut. Around four the train"
    " waits for no clear reason beside a dark field. At seven someone raises the blind, and there, without any warning, are the mountains.",
    "A good question in a meeting is often a short one. What would we do if this were not possible? Who will notice first when it breaks?"
    " How do we know that? Such questions cost nothing, and they save weeks. It helps to ask them early, before anyone has drawn a"
    " picture, because people defend their pictures. It also helps to wait for the answer, and to write it down where others can find it.",
    "Salt was once worth carrying over mountains. Without it, meat and fish would not keep through the winter, so whoever owned a mine or"
    " a warm shallow bay could ask for almost any price. Towns grew rich on it, and roads were named after it. Then came ice, cans and"
    " cheap fuel, and within a lifetime the treasure became something that stands on every table and is given away in small paper bags.",
    "On Sundays the chess players meet under the plane trees, whatever the weather. There are nine stone tables and never enough chairs."
    " A retired pilot plays fast and loses with a smile. A girl of twelve plays slowly and does not lose at all. Between games they"
    " discuss endings from famous matches as other people discuss the news. When it rains they move the pieces under the bridge and go on.",
)
