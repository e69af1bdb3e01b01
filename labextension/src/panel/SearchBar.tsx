import { FILTERS, type Filter } from '../model/search';

interface Props {
  query: string;
  filter: Filter;
  onQuery: (query: string) => void;
  onFilter: (filter: Filter) => void;
}

/** Search by words, choose by state. */
export function SearchBar({ query, filter, onQuery, onFilter }: Props): JSX.Element {
  return (
    <search className="jp-ContainerIter-search">
      <input
        type="search"
        className="jp-mod-styled"
        placeholder="Name, note, metric…"
        aria-label="Search models"
        value={query}
        onChange={event => onQuery(event.target.value)}
      />
      <select
        className="jp-mod-styled"
        aria-label="Show models by state"
        value={filter}
        onChange={event => onFilter(event.target.value as Filter)}
      >
        {Object.entries(FILTERS).map(([key, word]) => (
          <option key={key} value={key}>
            {word}
          </option>
        ))}
      </select>
    </search>
  );
}
