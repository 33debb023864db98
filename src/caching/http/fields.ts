/** Header fields in the form the caching rules use, and the small grammar that several of them share. */

/**
 * Field values by lowercase name. Several lines of one field are joined with `, ` (RFC 9110 §5.3); an absent field is
 * undefined. Like Node's `req.headers`, but without arrays.
 */
export type Fields = Readonly<Record<string, string | undefined>>;

/**
 * Header fields in the form they are sent in, name and value in turn. `writeHead` accepts this form without checking it
 * again.
 */
export type FlatFields = readonly string[];

/** The types that Node accepts as the value of a header field. */
export type FieldValue = number | string | readonly string[] | undefined;

/** One value of a header field as the rules read it. */
export function joinValue(value: FieldValue): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  return typeof value === 'number' ? String(value) : value.join(', ');
}

/** Node's header objects (`req.headers`, `res.getHeaders()`) as `Fields`. */
export function toFields(headers: Readonly<Record<string, FieldValue>>): Fields {
  const fields: Record<string, string | undefined> = Object.create(null) as Record<string, undefined>;
  for (const name of Object.keys(headers)) fields[name.toLowerCase()] = joinValue(headers[name]);
  return fields;
}

/** Flat fields as `Fields`, lines of one name joined. */
export function fieldsOf(flat: FlatFields): Fields {
  const fields: Record<string, string | undefined> = Object.create(null) as Record<string, undefined>;
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i]!.toLowerCase();
    const before = fields[name];
    fields[name] = before === undefined ? flat[i + 1] : `${before}, ${flat[i + 1]}`;
  }
  return fields;
}

/**
 * The members of a comma-separated list (RFC 9110 §5.6.1). Commas inside quoted strings do not separate, and empty
 * members do not count. An unclosed quoted string extends to the end.
 */
export function splitList(value: string): string[] {
  const members: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < value.length; i++) {
    const char = value[i];
    if (quoted && char === '\\') i++;
    else if (char === '"') quoted = !quoted;
    else if (char === ',' && !quoted) {
      members.push(value.slice(start, i));
      start = i + 1;
    }
  }
  members.push(value.slice(start));
  return members.map((member) => member.trim()).filter((member) => member !== '');
}

/** The field names in a list, in lowercase: `Connection`, `Vary`, the argument of `no-cache="…"`. */
export function fieldNames(value: string | undefined): string[] {
  return value === undefined ? [] : splitList(value).map((name) => name.toLowerCase());
}

/**
 * The content of a quoted string, with escapes resolved (RFC 9110 §5.6.4); undefined if the text is not one or is not
 * closed.
 */
export function unquote(text: string): string | undefined {
  if (text.length < 2 || !text.startsWith('"')) return undefined;
  let inside = '';
  for (let i = 1; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"') return i === text.length - 1 ? inside : undefined;
    inside += char === '\\' ? (text[++i] ?? '') : char;
  }
  return undefined;
}
