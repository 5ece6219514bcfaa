"""Random paths, filters and limits over a hierarchy: loaded is what Python finds (R2, R3)."""

from __future__ import annotations

from random import Random
from typing import Any

import anyio
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.contract.test_relations_of_hierarchies import family
from uow import Database, QueryError, RelationPath, Session
from uow.mapping.mapper import mapper_of
from uow.mapping.paths import LoadStep


def world(random: Random, classes: Any) -> dict[type, list[Any]]:
    """New objects, by class; related as it comes."""
    Firm, Person, Student, Grad, Teacher, Desk, Note, Tag = classes  # noqa: N806
    firms = [Firm(name=f"f{n}") for n in range(4)]
    tags = [Tag(name=f"t{n}") for n in range(4)]
    people: list[Any] = []
    for number in range(14):
        one = random.choice([Person, Student, Grad, Teacher])(name=f"p{number:02}")
        one.firm = random.choice([None, *firms])
        one.tags = random.sample(tags, random.randint(0, 3))
        if people and random.random() < 0.7:
            one.mentor = random.choice(people)
        if isinstance(one, Student):
            one.sponsor = random.choice([None, *firms])
            one.notes = [Note(text=f"n{number}{n}") for n in range(random.randint(0, 3))]
        if isinstance(one, Teacher) and random.random() < 0.6:
            one.desk = Desk(no=number)
        people.append(one)
    teachers = [one for one in people if isinstance(one, Teacher)]
    for one in people:
        if isinstance(one, Grad):
            one.teacher = random.choice([None, *teachers])
    found: dict[type, list[Any]] = {Firm: firms, Tag: tags}
    for class_ in (Person, Student, Grad, Teacher):
        found[class_] = [one for one in people if isinstance(one, class_)]
    found[Note] = [note for one in found[Student] for note in one.notes]
    found[Desk] = [one.desk for one in teachers if one.desk]
    return found


class Wish:
    """A path to load, and what Python makes of it."""

    def __init__(self, random: Random, classes: Any) -> None:
        self.start = current = random.choice(classes)
        self.levels: list[tuple[Any, int | None, bool | None, int | None]] = []
        steps: list[LoadStep] = []
        for _ in range(random.randint(1, 3)):
            mapper = mapper_of(current)
            options = {r: None for one in mapper.family for r in one.relations.values()}
            relation = random.choice(list(options))
            step = LoadStep(relation, is_joined=random.random() < 0.5)
            path: RelationPath[Any] = RelationPath((*steps, step))
            target: Any = relation.target.class_
            cut: int | None = None
            descends: bool | None = None
            limit: int | None = None
            if relation.many and random.random() < 0.5:
                if random.random() < 0.5:
                    cut = random.randint(1, 12)
                    path = path.where(target.id > cut)
                if random.random() < 0.6:
                    descends = random.random() < 0.7
                    path = path.order_by(-target.id if descends else target.id)
                    if not step.is_joined and random.random() < 0.5:
                        limit = random.randint(0, 2)
                        path = path.limit(limit)
            steps = list(path._uow_steps)
            self.levels.append((relation, cut, descends, limit))
            current = target
        self.path: RelationPath[Any] = RelationPath(tuple(steps))

    @property
    def is_one_wish(self) -> bool:
        """Whether no relation is to hold two things: all of it, and a part, of the same objects."""
        relations = [level[0] for level in self.levels]
        is_part = any(cut or descends is not None for _, cut, descends, _ in self.levels)
        backs = {relation.back for relation in relations}
        return len({*relations}) == len(relations) and not (is_part and backs & {*relations})

    def check(self, got: Any, wanted: Any, level: int = 0) -> None:
        """What was loaded of one object is what Python finds, at each level."""
        if level == len(self.levels):
            return
        relation, cut, descends, limit = self.levels[level]
        if not isinstance(wanted, relation.mapper.class_):
            return
        held, found = ([*_related(one, relation)] for one in (got, wanted))
        if cut is not None:
            found = [one for one in found if one.id > cut]
        if descends is not None:
            found.sort(key=lambda one: one.id, reverse=descends)
        found = found[:limit]
        keys = [[(type(one).__name__, one.id) for one in some] for some in (held, found)]
        if descends is None:
            keys = [sorted(some) for some in keys]
        assert keys[0] == keys[1], (self.path, level)
        by_key = {one.id: one for one in found}
        for one in held:
            self.check(one, by_key[one.id], level + 1)


def _related(obj: Any, relation: Any) -> list[Any]:
    value = getattr(obj, relation.name)
    if relation.many:
        return list(value)
    return [] if value is None else [value]


@pytest.mark.parametrize("kind", ["joined", "single"])
@settings(max_examples=12, deadline=None, phases=[Phase.generate])  # shrinking takes minutes
@given(random=st.randoms(use_true_random=False))
def test_random_loads(kind: str, random: Random) -> None:
    """Whatever is joined or read afterwards, at whatever level, and known before or not."""

    async def run() -> None:
        classes = family(kind)
        async with Database("sqlite://") as database:
            await database.create_all(list(classes))
            everything = world(random, classes)
            async with Session.begin(database) as session:
                session.add_all([one for some in everything.values() for one in some])
            for _ in range(25):
                wish = Wish(random, classes)
                if not wish.is_one_wish:
                    continue
                limit = random.choice([None, 2, 3])
                async with Session(database) as session:
                    if random.random() < 0.3:
                        await session.find(random.choice(classes)).limit(3).to_list()
                    query = session.find(wish.start).order_by(wish.start.id).load(wish.path)
                    if limit is not None:
                        query = query.limit(limit)
                    try:
                        found: list[Any] = await query.to_list()
                    except QueryError as error:
                        assert "reads " in str(error), "all else can be joined"  # noqa: PT017
                        continue
                    wanted = sorted(everything[wish.start], key=lambda one: one.id)[:limit]
                    assert [(type(o), o.id) for o in found] == [(type(o), o.id) for o in wanted]
                    for got, one in zip(found, wanted, strict=True):
                        wish.check(got, one)

    anyio.run(run)
