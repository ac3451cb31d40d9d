use super::*;

#[test]
fn an_age_is_never_flattered() {
    for ms in (0..100).chain([101, 500, 1024, 1025, 9000, 11_585]) {
        let code = age_code(ms);
        assert!(u64::from(age_ms(code)) >= ms, "{ms}");
        assert!(code == 0 || u64::from(age_ms(code - 1)) < ms, "{ms}");
    }
    assert_eq!(age_code(u64::MAX), 31);
    assert_eq!((age_ms(15), age_ms(16), age_ms(31)), (60, 64, 11_585));
}
