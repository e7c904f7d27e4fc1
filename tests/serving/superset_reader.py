"""Reads a warehouse as Apache Superset does; run by a Python that has Superset, not by ours.

Arguments: SQLAlchemy URL, schema, `extra` of the connection as JSON. Prints JSON: engine spec,
tables, columns of customer_scores, the frame of a chart's query, and a refused write.
"""

import json
import os
import sys

url, schema, extra = sys.argv[1:]
os.environ.setdefault("SUPERSET_SECRET_KEY", "only for this process, which serves nobody")

from superset.app import create_app  # noqa: E402

app = create_app()
with app.app_context():
    from superset.models.core import Database
    from superset.sql.parse import Table

    database = Database(database_name="crm", sqlalchemy_uri=url, extra=extra)
    tables = sorted(table.table if hasattr(table, "table") else table[0]
                    for table in database.get_all_table_names_in_schema(None, schema)
                    | database.get_all_view_names_in_schema(None, schema))
    columns = database.get_columns(Table("customer_scores", schema))
    # The name is right in both places: schema crm in PostgreSQL, file crm.duckdb in DuckDB.
    frame = database.get_df("select tier, count(*) as n, sum(crm_value) as total "
                            "from crm.customer_scores group by tier order by tier", schema=schema)
    try:
        database.get_df("create table crm.own as select 1 as a", schema=schema)
        refused = ""
    except Exception as error:  # noqa: BLE001 - whatever a driver raises
        refused = str(error)
    json.dump({"spec": database.db_engine_spec.__name__, "tables": tables,
               "columns": {column["column_name"]: str(column["type"]) for column in columns},
               "rows": json.loads(frame.to_json(orient="values")), "refused": refused}, sys.stdout)
