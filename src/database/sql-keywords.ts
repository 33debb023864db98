/** The words of SQL that are not names, as far as spacing and finding clauses need them. */
export const KEYWORDS: ReadonlySet<string> = new Set(
  (
    'all analyze and any as asc begin between by case cast check collate commit conflict constraint create cross ' +
    'current default deferrable delete desc distinct do drop else end escape except exclude exists explain fetch filter ' +
    'first following for foreign from full glob group having if ilike immediate in index inner insert intersect into is ' +
    'isnull join key last lateral left like limit materialized natural not nothing notnull null nulls of offset on only ' +
    'or order outer over partition preceding primary range recursive references regexp release replace returning right ' +
    'rollback row rows savepoint select set similar some table then ties to union unique update using values view when ' +
    'where window with'
  ).split(' '),
);
