"""Seeded bugs of what records mean: trust, cuts, evidence, registers, status and limits."""

from dataclasses import replace

from tools.mutants_mutant import Change, Mutant

__all__ = ["MUTANTS"]

HISTORIES = "tests/laws/test_histories.py"
AUTHORITY = "tests/laws/test_authority.py"
REGISTERS = "tests/laws/test_registers.py"
CASES = "tests/unit/crdt/test_authority.py"
EVIDENCE = "tests/unit/crdt/test_evidence.py"
STATUS = "tests/unit/crdt/test_snapshot.py"
QUOTA = "tests/unit/crdt/test_quota.py"
REPLICA_LAWS = "tests/unit/crdt/test_replica_laws.py"
KEPT = "tests/unit/crdt/test_replica_limits.py"
VALUES = "tests/unit/crdt/test_registers.py"
GENESIS = "tests/unit/identity/test_genesis.py"
CAPABILITY = "tests/unit/identity/test_capability.py"

TRUST = (HISTORIES, AUTHORITY, CASES, EVIDENCE)
SHOWN = (HISTORIES, REGISTERS, VALUES, STATUS)
BOUNDS = (HISTORIES, QUOTA, REGISTERS, AUTHORITY)

FOLD_LAW = f"{AUTHORITY}::test_the_fold_is_the_oracle"

FOLD = "crdt/authority.py"
HOLDERS = "crdt/holders.py"
FEED = "crdt/feed.py"
PUTS = "crdt/registers.py"

ROOT = (
    Mutant(
        "threshold 1",
        "a root statement is accepted with one signature",
        (
            Change(
                "identity/genesis.py",
                "statement.signers(last.roots) >= last.threshold",
                "statement.signers(last.roots) >= 1",
            ),
        ),
        (HISTORIES, AUTHORITY, GENESIS),
    ),
    Mutant(
        "a twin shortens the chain",
        "a rival of an accepted root statement takes its place",
        (
            Change(
                "identity/genesis.py",
                "        self.twins += 1\n",
                "        self.twins += 1\n        self._statements[statement.number - 1 :] ="
                " [statement]\n",
            ),
        ),
        (HISTORIES, GENESIS),
    ),
)

GRANTS = (
    Mutant(
        "junior takes a name",
        "a grant counts though its name is held at a more senior stratum",
        (
            Change(
                FOLD,
                "if claim.issuers and self.names.get(grant.name, stratum) == stratum:",
                "if claim.issuers:",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "any epoch",
        "an issuer may write an epoch that its senior cannot go above",
        (Change(FOLD, "if grant.epoch < epoch_bound(issuer.stratum)", "if grant.epoch >= 0"),),
        TRUST,
    ),
    Mutant(
        "capabilities widen",
        "a grant passes on what its issuer does not hold",
        (Change(HOLDERS, "if any(issuer.holds(wanted) for issuer in self.issuers)", "if True"),),
        TRUST,
    ),
    Mutant(
        "two pairs added up",
        "what one pair of the author may grant is covered by another that may not",
        (
            Change(
                FOLD,
                "claims.setdefault(reference, Claim(said, [])).issuers.append(holder)",
                "claims.setdefault(reference, Claim(said, [])).issuers.extend(\n"
                "                        each\n"
                "                        for each in self.holders.values()\n"
                "                        if each.pair.key == holder.pair.key\n"
                "                    )\n"
                "                    claims[reference].issuers.append(holder)",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "names by letters",
        "a prefix covers names that merely begin with its letters",
        (
            Change(
                "identity/capability.py",
                'return not prefix or name == prefix or name.startswith(prefix + "/")',
                "return name.startswith(prefix)",
            ),
        ),
        (HISTORIES, CAPABILITY),
    ),
    Mutant(
        "foreign grant revives a pair",
        "a revocation is void for a key that also holds another name",
        (
            Change(
                FOLD,
                "            if speaks:\n                holder.revoked = True",
                "            if speaks and sum(pair.key == key for pair in self.holders) == 1:\n"
                "                holder.revoked = True",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "revoked successor revives the old key",
        "the winning epoch is the highest of a key that is not revoked",
        (
            Change(
                FOLD,
                "winning = max(claim.grant.epoch for claim in claims)",
                "winning = max(\n"
                "            (\n"
                "                claim.grant.epoch\n"
                "                for claim in claims\n"
                "                if not any(\n"
                "                    each.name == name\n"
                "                    for each in self.revocations.get(claim.grant.key, ())\n"
                "                )\n"
                "            ),\n"
                "            default=0,\n"
                "        )",
            ),
            Change(FOLD, "if holder.epoch == winning:", "if holder.epoch >= winning:"),
        ),
        TRUST,
    ),
    Mutant(
        "contested decided by key order",
        "of two keys at the winning epoch the smaller one wins",
        (
            Change(
                FOLD,
                "holder.contested = len(rivals) > 1",
                "holder.winning = holder.pair == min(rival.pair for rival in rivals)",
            ),
        ),
        TRUST,
    ),
)

CUTS = (
    Mutant(
        "cut ignores the branch",
        "a cut covers all entries up to its seq, on whatever branch",
        (
            Change(
                "crdt/cuts.py",
                "return line is not None and line.holds(entry)",
                "return line is not None and entry.seq <= line.tip.seq",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "unlisted incarnation survives",
        "a cut says nothing about an incarnation that it does not list",
        (
            Change(
                "crdt/cuts.py",
                "        line = self.lines.get((entry.lane, entry.inc))\n",
                "        if (entry.lane, entry.inc) not in self.lines:\n"
                "            return True\n"
                "        line = self.lines[entry.lane, entry.inc]\n",
            ),
            Change(
                FOLD,
                "feed for feed in feeds if (int(Lane.AUTH), feed.id.inc) in lines",
                "feed for feed in feeds",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "cuts do not void decisions",
        "grants, revocations and pins beyond a cut still count",
        (
            Change(
                FOLD,
                "if all(cut.covers(entry) for cut in holder.cuts):",
                'if entry.kind != "put" or all(cut.covers(entry) for cut in holder.cuts):',
            ),
        ),
        TRUST,
    ),
    Mutant(
        "cuts add up",
        "what one of several cuts covers survives",
        (
            Change(
                FOLD,
                "if all(cut.covers(entry) for cut in holder.cuts):",
                "if any(cut.covers(entry) for cut in holder.cuts):",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "every list counts",
        "of the grants that list a replaced key all give its cut, not the highest alone",
        (
            Change(
                FOLD,
                "cuts = [cut for epoch, cut in listed if epoch == highest]",
                "cuts = [cut for epoch, cut in listed if epoch <= highest]",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "equal rank revokes",
        "a stratum speaks before it is settled",
        (
            Change(
                FOLD,
                "            self.contest(claims)\n"
                "        for holder in holders:\n"
                "            self.speak(holder)\n",
                "            self.contest(claims)\n"
                "        for holder in holders:\n"
                "            self.speak(holder)\n"
                "        for holder in holders:\n"
                "            self.revoke(holder)\n",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "anyone revokes every name",
        "the name * may be written by whoever holds `revoke` over all names",
        (
            Change(
                FOLD,
                '            return holder is self.root\n        return holder.may("revoke",',
                '            return holder.may("revoke", "")\n        return holder.may("revoke",',
            ),
        ),
        TRUST,
    ),
)

EVIDENCES = (
    Mutant(
        "evidence beats a cut",
        "evidence voids what a senior's cut covers",
        (
            Change(
                FOLD,
                "                if all(cut.covers(entry) for cut in holder.cuts):",
                "                twins = self.index.feeds()[entry.feed].evidence()\n"
                "                void = holder.voids(entry, twins)\n"
                "                if not void and all(cut.covers(entry) for cut in holder.cuts):",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "evidence of one entry twice",
        "an entry that is given twice is evidence against its author",
        (
            Change(
                "crdt/index.py",
                "held = {entry.id: entry for entry in entries if entry.ns == ns}",
                "held = dict(enumerate(entry for entry in entries if entry.ns == ns))",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "a gap folded over",
        "an entry is linked though the one before it is not held",
        (
            Change(
                FEED,
                "return parent is not None and parent.seq == entry.seq - 1"
                " and parent.id not in self._loose",
                "return parent is None or (\n"
                "            parent.seq == entry.seq - 1 and parent.id not in self._loose\n"
                "        )",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "a junior's pin overrules",
        "of contradicting pins the junior's decides",
        (
            Change(
                "crdt/evidence.py",
                "for stratum in sorted(strata):",
                "for stratum in sorted(strata, reverse=True):",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "contradicting pins decide",
        "of pins on two branches the higher one decides",
        (
            Change(
                "crdt/evidence.py",
                "agreed = [a for a in lines if all(a.holds(b.tip) or b.holds(a.tip)"
                " for b in lines)]",
                "agreed = lines",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "a pin reaches over a fork",
        "the exemption does not end at the next fork above the pinned entry",
        (Change(FEED, "while len(fork) == 1:", "while fork:"),),
        TRUST,
    ),
    Mutant(
        "anyone pins",
        "a pin counts for names that its author's verb does not cover",
        (
            Change(
                FOLD,
                '            if not author.may("pin", name):\n                continue\n',
                "",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "a pin settles for ever",
        "where the lane prunes, a pin settles what is forked above it too",
        (
            Change(
                HOLDERS,
                "return latest is not None and latest[0].seq > settled",
                "return latest is not None and settled < 0",
            ),
        ),
        TRUST,
    ),
    Mutant(
        "a pin dies with its entry",
        "a pin settles nothing any more once a snapshot superseded what it names",
        (Change(FOLD, "settled[pinned] = max(seq, settled.get(pinned, -1))", "settled.clear()"),),
        TRUST,
    ),
    Mutant(
        "a snapshot washes the latest fork away",
        "of superseded evidence only the smallest outlives a snapshot",
        (
            Change(
                FEED,
                "spared = (*(self.evidence() or ()), *(self.latest_evidence() or ()))",
                "spared = self.evidence() or ()",
            ),
        ),
        TRUST,
    ),
)

VALUES_SHOWN = (
    Mutant(
        "contested register decided by entry id",
        "of several standing puts the first by id is the value",
        (
            Change(
                PUTS,
                "value = _decide(candidates[0].rule, standing) if contested else standing[0].value",
                "value = standing[0].value",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "the least restrictive decides",
        "of contending model records the mildest is the value",
        (
            Change(
                PUTS,
                "if severity == max(known)]",
                "if severity == min(known)]",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "a junior put supersedes",
        "`supersedes` reaches puts of a more senior stratum",
        (Change(PUTS, "if strata.get(named, -1) >= reach)", "if named in strata)"),),
        SHOWN,
    ),
    Mutant(
        "a contested pair supersedes",
        "what a contested pair puts removes what it names",
        (
            Change(
                PUTS,
                "only_contends = all(standing.contested for standing in seniors)",
                "only_contends = False",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "juniors stand beside seniors",
        "a register shows all maxima as standing, whatever their stratum",
        (
            Change(
                PUTS,
                "standing = [contender for contender in maxima if contender.stratum == senior]",
                "standing = [contender for contender in maxima if contender.stratum >= senior]",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "a malformed value stands",
        "a put is shown though its value is not what the register holds",
        (
            Change(
                PUTS,
                ' or not rule.check(cast("Value", put.value)):',
                ":",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "an unauthorised put shows",
        "a register takes puts of pairs that hold no verb for it",
        (
            Change(
                PUTS,
                "if any(rule.authorises(held, put.key, value) for held in standing.capabilities)",
                "if rule.authorises is not None",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "a snapshot adds",
        "topics from before the last snapshot still show",
        (
            Change(
                "crdt/index.py",
                "self._supersede(feed, entry.seq if snapshot else None, dropped)",
                "self._supersede(feed, None, dropped)",
            ),
            Change(
                "crdt/snapshot.py",
                "topics = _checked(index, feed.id.lane, said)",
                "topics |= _checked(index, feed.id.lane, said)",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "the lowest incarnation speaks",
        "status is that of a key's oldest incarnation",
        (
            Change(
                "crdt/index.py",
                "        for feed in reversed(self.lane(author, lane)):\n",
                "        for feed in self.lane(author, lane):\n",
            ),
            Change(
                "crdt/index.py",
                "if lower.id.inc < feed.id.inc and lower.floor != RETIRED",
                "if lower.id.inc > feed.id.inc and lower.floor != RETIRED",
            ),
            Change(
                "crdt/index.py",
                "if top is not None and identifier.inc < top.id.inc:",
                "if top is not None and identifier.inc > top.id.inc:",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "a branch that nobody chose shows",
        "of a forked feed without a pin that counts all branches state what they like",
        (Change("crdt/snapshot.py", "    if forked and pin is None:\n        return {}\n", ""),),
        SHOWN,
    ),
    Mutant(
        "a revoked pair shows status",
        "the status of every winning pair shows, revoked or quarantined",
        (
            Change(
                "crdt/snapshot.py",
                "return standing.current and standing.may(",
                "return standing.winning and standing.may(",
            ),
        ),
        SHOWN,
    ),
    Mutant(
        "a fleet snapshot states anything",
        "a FLEET snapshot may hold topics that no entry of the lane could state",
        (Change("crdt/snapshot.py", "if lane == Lane.STATE:", "if lane >= 0:"),),
        SHOWN,
    ),
)

LIMITS = (
    Mutant(
        "everybody writes much",
        "a pair that decides about nobody has an issuer's limits",
        (
            Change(
                "crdt/quota.py",
                "return LARGE if any(held.verb in SENIOR_VERBS for held in capabilities)"
                " else SMALL",
                "return LARGE",
            ),
        ),
        BOUNDS,
    ),
    Mutant(
        "size is free",
        "a run is bounded in entries and not in bytes",
        (Change("crdt/quota.py", " or size > limit.size:", ":"),),
        BOUNDS,
    ),
    Mutant(
        "the highest incarnations count",
        "of too many incarnations the newest are folded, so a thief displaces the owner",
        (
            Change(
                "crdt/quota.py",
                "for feed in began[:INCARNATIONS_MAX]:",
                "for feed in began[-INCARNATIONS_MAX:]:",
            ),
        ),
        BOUNDS,
    ),
    Mutant(
        "a snapshot takes room",
        "the snapshot counts among the entries that may follow it",
        (
            Change(
                "crdt/quota.py",
                "STATUS_ENTRIES_MAX + (feed.floor is not None)",
                "STATUS_ENTRIES_MAX",
            ),
        ),
        BOUNDS,
    ),
    Mutant(
        "the latest fork is told to nobody",
        "of superseded evidence a replica shows its peers the smallest alone",
        (Change("crdt/replica.py", "found.append(held.latest_evidence())", "pass"),),
        (KEPT,),
    ),
    Mutant(
        "an old entry of a forker costs a fold",
        "what a forker's snapshot superseded is folded over whenever somebody offers it again",
        (Change("crdt/replica.py", "index.proof(entry.feed) != proof", "twinned or bool(proof)"),),
        (REPLICA_LAWS,),
    ),
    Mutant(
        "evidence that nothing links goes unnoticed",
        "a twin that waits for its parent, or stands below a snapshot, quarantines nobody",
        (Change("crdt/replica.py", "index.proof(entry.feed) != proof", "False"),),
        (REPLICA_LAWS, KEPT),
    ),
)

FOLDED = tuple(replace(mutant, law=FOLD_LAW) for mutant in (*ROOT, *GRANTS, *CUTS, *EVIDENCES))

MUTANTS: tuple[Mutant, ...] = (*FOLDED, *VALUES_SHOWN, *LIMITS)
"""In the order in which they run."""
