/** Header fields as the caching rules read them, and the small grammar that several of them share. */

/**
 * Field values by lowercase name; several lines of one field are joined with `, ` (RFC 9110 §5.3), an absent field is
 * undefined. What Node's `req.headers` holds, but for arrays.
 */
export type Fields = Readonly<Record<string, string | undefined>>;

/** Header fields as they go on the wire, name and value in turn: what `writeHead` takes without looking at it again. */
export type FlatFields = readonly string[];

/** What Node accepts as the value of a header field. */
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
 * The members of a comma-separated list (RFC 9110 §5.6.1): commas inside quoted strings do not separate, empty members
 * do not count. A quoted string left open reaches to the end.
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

/** The field names a list holds, in lowercase: `Connection`, `Vary`, the argument of `no-cache="…"`. */
export function fieldNames(value: string | undefined): string[] {
  return value === undefined ? [] : splitList(value).map((name) => name.toLowerCase());
}

/** What a quoted string says, its escapes resolved (RFC 9110 §5.6.4); undefined when it is none, or left open. */
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
