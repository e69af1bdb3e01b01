import { HTMLSelect } from '@jupyterlab/ui-components';
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
    <div role="search" className="jp-ContainerIter-search jp-ContainerIter-controls">
      <input
        type="search"
        className="jp-mod-styled"
        placeholder="Search"
        title="Words of a name, note, metric or notebook"
        aria-label="Search models"
        value={query}
        onChange={event => onQuery(event.target.value)}
      />
      <HTMLSelect
        aria-label="Show models by state"
        value={filter}
        onChange={event => onFilter(event.target.value as Filter)}
      >
        {Object.entries(FILTERS).map(([key, word]) => (
          <option key={key} value={key}>
            {word}
          </option>
        ))}
      </HTMLSelect>
    </div>
  );
}
