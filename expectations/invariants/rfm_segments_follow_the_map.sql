/*
table: crm.customer_segments
severity: error
says: buyers whose scores, cell and segment do not belong together
why: Everyone reads the segment as what the map says of the cell.
action: Look at segments/labels.py and at segments.rfm in crm.yaml.
shown: [rfm_cell, rfm_segment]
*/
select segments.customer_key, segments.rfm_cell, segments.rfm_segment
from crm.customer_segments as segments
left join crm.rfm_cells as cells
    on segments.rfm_recency_score = cells.rfm_recency_score
    and segments.rfm_frequency_score = cells.rfm_frequency_score
    and segments.rfm_monetary_score = cells.rfm_monetary_score
where segments.rfm_cell is distinct from cells.rfm_cell
    or (
        segments.rfm_segment <> coalesce(cells.rfm_segment, segments.rfm_segment)
    )
    or (
        cells.rfm_cell is null
        and segments.rfm_segment not in ('prospect', 'insufficient_data')
    )
