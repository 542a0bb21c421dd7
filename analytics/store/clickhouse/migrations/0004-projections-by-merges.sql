-- A part is small when it is written and merged soon: its sums and names are made then, not twice. Until then a query reads its few rows.
ALTER TABLE calls MODIFY SETTING materialize_projections_on_insert = 0, materialize_projections_on_merge = 1;
