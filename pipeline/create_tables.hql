-- The tables over what write_stream.py writes. Run it with the Hive CLI:
--   hive --hivevar schema=default --hivevar root=/tmp -f create_tables.hql
--
-- The files hold raw_event, timestamp, Accept, Host, User-Agent, event_type, amount, description.
-- The two tables list their columns in another order, as the report does: a reader that maps by
-- position shows the host as event_type and the event's type as raw_event.

create database if not exists ${hivevar:schema};

-- timestamp is a reserved word in Hive, so it stands in backticks.
create external table if not exists ${hivevar:schema}.purchases (
  Accept string,
  Host string,
  User_Agent string,
  event_type string,
  `timestamp` string,
  raw_event string,
  amount string
)
stored as parquet
location '${hivevar:root}/purchases'
tblproperties ("parquet.compression"="SNAPPY");

create external table if not exists ${hivevar:schema}.guild_membership (
  Accept string,
  Host string,
  User_Agent string,
  event_type string,
  `timestamp` string,
  raw_event string
)
stored as parquet
location '${hivevar:root}/guild_membership'
tblproperties ("parquet.compression"="SNAPPY");

-- What was no event stands in a schema of its own: "show tables" above prints the report's two.
create database if not exists ${hivevar:schema}_quarantine;

-- Columns in the files' order.
create external table if not exists ${hivevar:schema}_quarantine.rejected (
  value binary,
  `partition` int,
  `offset` bigint,
  reason string,
  `timestamp` string
)
stored as parquet
location '${hivevar:root}/rejected'
tblproperties ("parquet.compression"="SNAPPY");
