//! Trails: which events of which regions they log.

use aws_sdk_cloudtrail::types::ReadWriteType;
use rerole_sim::Trail;
use serde_json::json;

use crate::harness::{at_home, cloudtrail, code_of, in_virtual_time};

#[test]
fn a_trail_of_all_regions_is_found_in_each() {
    in_virtual_time(async {
        let aws = at_home();
        let arn = aws.in_region("us-east-1").create_trail(Trail::default());
        let client = cloudtrail(&aws);
        let described = client.describe_trails().send().await.unwrap();
        let trail = &described.trail_list()[0];
        assert_eq!(trail.trail_arn(), Some(arn.as_str()));
        assert_eq!(trail.home_region(), Some("us-east-1"));
        assert_eq!(trail.is_multi_region_trail(), Some(true));
        let own = client.describe_trails().include_shadow_trails(false);
        assert_eq!(own.send().await.unwrap().trail_list(), []);
        let listed = client.list_trails().send().await.unwrap();
        assert_eq!(listed.trails()[0].name(), Some("management-events"));

        let status = client.get_trail_status().name(&arn).send().await.unwrap();
        assert_eq!(status.is_logging(), Some(true));
        let selectors = client.get_event_selectors().trail_name(&arn);
        let selectors = selectors.send().await.unwrap();
        let selector = &selectors.event_selectors()[0];
        assert_eq!(selector.include_management_events(), Some(true));
        assert_eq!(selector.read_write_type(), Some(&ReadWriteType::All));
    });
}

#[test]
fn a_trail_may_be_stopped_or_log_other_events() {
    in_virtual_time(async {
        let aws = at_home();
        aws.create_trail(Trail {
            name: "data".to_owned(),
            logging: false,
            multi_region: false,
            selectors: json!({ "AdvancedEventSelectors": [{
                "FieldSelectors": [{ "Field": "eventCategory", "Equals": ["Data"] }],
            }]}),
        });
        let client = cloudtrail(&aws);
        let status = client.get_trail_status().name("data").send().await.unwrap();
        assert_eq!(status.is_logging(), Some(false));
        let selectors = client.get_event_selectors().trail_name("data");
        let selectors = selectors.send().await.unwrap();
        let advanced = &selectors.advanced_event_selectors()[0];
        assert_eq!(advanced.field_selectors()[0].equals(), ["Data"]);
        let absent = client.get_trail_status().name("absent").send().await;
        assert_eq!(code_of(absent), "TrailNotFoundException");
    });
}
