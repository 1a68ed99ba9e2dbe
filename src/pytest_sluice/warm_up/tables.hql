create database if not exists warm_up;
create external table if not exists warm_up (
  message string,
  moment string,
  kind string,
  path_kind string,
  variant_kind string
)
stored as parquet
location '${hivevar:root}/warm_up';
