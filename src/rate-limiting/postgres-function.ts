/**
 * The table of PostgresStore and the function that decides on it. The function locks the buckets of a decision in the
 * order they are given, so that two decisions never wait for each other. The arithmetic is that of MemoryStore and
 * windows.ts, in the same double precision integers.
 */

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,39}(\.[A-Za-z_][A-Za-z0-9_]{0,39})?$/; // room for what is appended, below 63

/** Whether the text names a table: an identifier, with its schema or without. */
export function isTableName(text: string): boolean {
  return NAME.test(text);
}

/** The names of a store's objects, quoted. */
export interface TableNames {
  readonly table: string;
  /** Its version is part of its name, so that two versions of this package can use one table. */
  readonly apply: string;
}

export function namesOf(table: string): TableNames {
  const parts = table.split('.');
  const last = parts.pop()!;
  const quoted = (name: string): string => [...parts, name].map((part) => `"${part}"`).join('.');
  return { table: quoted(last), apply: quoted(`${last}_apply_2`) };
}

/** Creates the table and the function where they are missing. Two processes that do so at once wait for each other. */
export function schemaSql(name: string): string {
  const { table, apply } = namesOf(name);
  return `
SELECT pg_advisory_xact_lock(hashtext('tooloo rate limit schema'));
CREATE TABLE IF NOT EXISTS ${table} (
  policy text NOT NULL,
  key text NOT NULL,
  debt double precision NOT NULL,
  previous double precision NOT NULL,
  time double precision NOT NULL,
  unit double precision NOT NULL,
  rate double precision NOT NULL,
  expires double precision NOT NULL,
  PRIMARY KEY (policy, key)
) WITH (fillfactor = 70);
ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS length double precision;
CREATE OR REPLACE FUNCTION ${apply}(
  operation text, given_time double precision, deadline double precision,
  policies text[], keys text[], capacities double precision[], rates double precision[],
  unit_sizes double precision[], windows double precision[], amounts double precision[],
  OUT pays boolean, OUT now_us double precision, OUT debts double precision[], OUT earlier double precision[],
  OUT lengths double precision[]
) LANGUAGE plpgsql AS $apply$
DECLARE
  bucket ${table}%ROWTYPE;
  asked double precision;
  kept double precision;
  span double precision;
  begun double precision;
  carry double precision;
  counted double precision;
  position double precision;
  owed double precision;
  expires_at double precision;
BEGIN
  pays := true;
  debts := '{}';
  earlier := '{}';
  lengths := '{}';
  IF operation <> 'read' THEN
    FOR i IN 1 .. cardinality(keys) LOOP
      LOOP
        PERFORM 1 FROM ${table} t WHERE t.policy = policies[i] AND t.key = keys[i] FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO ${table} VALUES (policies[i], keys[i], 0, 0, 0, unit_sizes[i], rates[i], 'infinity', windows[i])
          ON CONFLICT DO NOTHING;
      END LOOP;
    END LOOP;
  END IF;
  now_us := coalesce(given_time, floor(extract(epoch FROM clock_timestamp()) * 1000000));
  IF deadline > 0 AND now_us > deadline THEN
    pays := NULL;
    RETURN;
  END IF;
  FOR i IN 1 .. cardinality(keys) LOOP
    SELECT * INTO bucket FROM ${table} t WHERE t.policy = policies[i] AND t.key = keys[i];
    asked := windows[i];
    IF NOT FOUND THEN
      debts := debts || 0::double precision;
      earlier := earlier || 0::double precision;
    ELSE
      owed := bucket.debt;
      counted := bucket.previous;
      kept := coalesce(bucket.length, asked);
      begun := 1;
      IF kept = 0 THEN
        IF now_us > bucket.time THEN owed := greatest(owed - (now_us - bucket.time) * bucket.rate, 0); END IF;
      ELSE
        span := abs(kept);
        begun := floor(now_us / span) - floor(bucket.time / span);
        IF kept > 0 THEN
          IF begun > 0 THEN owed := 0; END IF;
        ELSIF now_us > bucket.time THEN
          position := bucket.time - floor(bucket.time / span) * span;
          owed := greatest(0, owed - ceil(counted * (span - position) / span));
          IF begun = 1 THEN
            counted := owed;
            owed := 0;
          ELSIF begun > 1 THEN
            counted := 0;
            owed := 0;
          END IF;
          position := now_us - floor(now_us / span) * span;
          owed := owed + ceil(counted * (span - position) / span);
        END IF;
      END IF;
      IF kept <> asked THEN
        IF asked <> 0 AND abs(asked) < abs(kept) AND owed > 0 AND begun <= 0 THEN
          asked := kept;
        ELSE
          counted := 0;
        END IF;
      END IF;
      IF bucket.unit <> unit_sizes[i] THEN
        owed := floor(owed / bucket.unit * unit_sizes[i] + 0.5);
        counted := floor(counted / bucket.unit * unit_sizes[i] + 0.5);
      END IF;
      debts := debts || owed;
      earlier := earlier || counted;
    END IF;
    lengths := lengths || asked;
    IF amounts[i] > 0 AND debts[i] + amounts[i] > capacities[i] THEN pays := false; END IF;
  END LOOP;
  IF operation = 'read' THEN RETURN; END IF;
  FOR i IN 1 .. cardinality(keys) LOOP
    debts[i] := CASE operation
      WHEN 'take' THEN debts[i] + CASE WHEN pays THEN amounts[i] ELSE 0 END
      WHEN 'spend' THEN debts[i] + amounts[i]
      WHEN 'refund' THEN greatest(0, debts[i] - amounts[i])
      ELSE amounts[i]
    END;
    span := abs(lengths[i]);
    IF lengths[i] < 0 AND earlier[i] > 0 AND operation IN ('refund', 'write') THEN
      carry := ceil(earlier[i] * (span - (now_us - floor(now_us / span) * span)) / span);
      IF debts[i] < carry THEN earlier[i] := floor(earlier[i] * debts[i] / carry); END IF;
    END IF;
    expires_at := CASE
      WHEN debts[i] = 0 THEN now_us
      WHEN span > 0 THEN now_us + 2 * span
      WHEN rates[i] = 0 THEN 'infinity'
      ELSE now_us + debts[i] / rates[i]
    END + 60000000;
    UPDATE ${table} t SET debt = debts[i], previous = earlier[i], time = now_us, unit = unit_sizes[i],
      rate = rates[i], expires = expires_at, length = lengths[i]
      WHERE t.policy = policies[i] AND t.key = keys[i];
  END LOOP;
END
$apply$;`;
}
